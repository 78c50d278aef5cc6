/* rounds: which pairs of a matrix run at the same time, so that no machine takes part twice. Pure. */
#pragma once

#include <stddef.h>
#include <stdint.h>

/* Two machines that a pair keeps busy, by number. They may be one and the same. */
struct round_pair {
	uint32_t a, b;
};

/* Gives each pair its round: ret_round[i] in [0, rounds). No machine is in two pairs of a round, and no
 * round has more than at_most pairs (0: no bound). Rounds are as even as they can be. Returns how many
 * there are, or -ENOMEM.
 *
 * An edge colouring of the graph of machines. Where the machines fall into two groups with pairs only
 * between them, clients here and servers there, it has max(most pairs of one machine, pairs / at_most)
 * rounds: none can do better (Koenig 1916). Else each of the two graphs that have one direction
 * between any two machines takes at most one round more than its busiest machine has pairs (Misra
 * and Gries 1992, after Vizing), and never more than a round-robin tournament: with all n machines both
 * clients and servers, 2(n-1) rounds for even n and 2n for odd n. A pair that is there several times is
 * in as many rounds. */
int rounds_plan(
	const struct round_pair *pairs, size_t n, uint32_t at_most, uint32_t *ret_round);
