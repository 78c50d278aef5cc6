/* fuzz-tree: names that a listing shows, and whether they are of a tree. What is taken for a file or a directory
 * is called so, and nothing else is. */
#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"
#include "worker/objects/tree.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool ok)
{
	if (!ok)
		abort();
}

/* Four bytes say what the tree is like, the others are the name. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static char masks[][24] = {
		"sai3bench.d%d_w%d.dir", "%d%d", "%dx%d0", "vdb.%d_%d.dir"};
	struct job_tree t;
	uint64_t number;

	if (size < 4)
		return 0;
	t = (struct job_tree){
		.width = data[0] % 12 + 1u,
		.depth = data[1] % 5 + 1u,
		.files_per_dir = data[2],
		.all = data[3] & 1,
		.dir_mask = masks[data[3] >> 1 & 3],
	};
	AUTO_FREE char *name = strndup((const char *)data + 4, size - 4);
	AUTO_FREE char *back = malloc(tree_room(&t));

	require(name && back);
	if (tree_file_index(&t, name, &number)) {
		require(number < job_tree_files(&t));
		require(tree_file(&t, number, back) < tree_room(&t));
		require(strcmp(name, back) == 0 && tree_holds(&t, name));
	}
	if (tree_dir_index(&t, name, &number)) {
		require(number < job_tree_dirs(&t));
		require(tree_dir(&t, number, back) < tree_room(&t));
		require(strcmp(name, back) == 0 && !tree_holds(&t, name));
	}
	return 0;
}
