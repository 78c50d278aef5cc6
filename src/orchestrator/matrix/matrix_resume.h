/* matrix_resume: what --resume has read from the directory of a matrix. Private to matrix_resume.c and
 * matrix_kept.c. */
#pragma once

#include "orchestrator/matrix/matrix_saved.h"
#include "results/net_rows.h"

struct matrix_resume {
	const char *dir;
	struct matrix_saved saved;
	struct net_rows rows;
	struct net_row **row;   /* by task: what it is kept as, or NULL */
	size_t n, kept;         /* tasks */
	uint64_t began_wall_ns; /* of this session */
	char *profile;          /* path of its copy */
};
