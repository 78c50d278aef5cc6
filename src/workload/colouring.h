/* colouring: edges of a graph get colours so that no two at a vertex have the same. Private to rounds. */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct colouring;

/* Room for n_edges edges over vertices 0..vertices-1 and that many colours. NULL: no memory. */
struct colouring *colouring_create(uint32_t vertices, uint32_t colours, size_t n_edges);
void colouring_destroy(struct colouring *c); /* takes NULL */

/* Edge e between u and v gets this colour, which both have left. */
void colouring_put(
	struct colouring *c, size_t e, uint32_t u, uint32_t v, uint32_t colour);
/* Edge e gets any colour; others may get another one for it. The graph has two sides, and there are as
 * many colours as any vertex has edges; u == v is an edge that is only at u. */
void colouring_add_two_sided(struct colouring *c, size_t e, uint32_t u, uint32_t v);
/* The same for any graph without double edges, and one colour more than any vertex has edges. */
void colouring_add_any(struct colouring *c, size_t e, uint32_t u, uint32_t v);

uint32_t colouring_of(const struct colouring *c, size_t e);

/* Makes all colours be at as many edges, or one more or less. */
void colouring_even_out(struct colouring *c);
