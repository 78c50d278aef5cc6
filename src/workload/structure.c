/* structure: `directory_structure`, a tree that ensure_objects fills. */
#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "common/err.h"
#include "common/units.h"
#include "workload/spec.h"

#define WIDTH_MAX 1000000
#define DEPTH_MAX 64
#define MASK_BYTES_MAX 100
/* what a path has to spare for a tree; and what the two numbers add to a mask, with a slash */
#define PATH_BYTES_MAX 3000
#define DIGITS 8

static const char *const distributions[] = {"bottom", "all", NULL};

#define AT(member) .offset = offsetof(struct structure_spec, member)
#define SET(member) .set_offset = offsetof(struct structure_spec, member)

const struct key structure_keys[] = {
	{"width", KEY_UINT, AT(width), SET(has_width), .min = 1, .max = WIDTH_MAX,
		.help = "Directories in each directory."},
	{"depth", KEY_UINT, AT(depth), SET(has_depth), .min = 1, .max = DEPTH_MAX,
		.help = "Levels of directories."},
	{"files_per_dir", KEY_UINT, AT(files_per_dir), .def = "0", .max = JOB_TREE_MAX,
		.help = "Files in each directory that holds files; 0: directories "
			"alone."},
	{"distribution", KEY_ENUM, AT(distribution), distributions, .def = "bottom",
		.help = "Which directories hold files: bottom, those of the last level; "
			"or all."},
	{"dir_mask", KEY_STR, AT(dir_mask), .def = STRUCTURE_MASK,
		.help = "Names of directories: two %d, the level and the number in the "
			"directory above, both from 1."},
	{.name = NULL},
};

static const struct node *at_key(const struct node *map, const char *key)
{
	const struct node *n = node_get(map, key);

	return n ? n : map;
}

static int check(struct decode *d, const struct structure_spec *s, struct err *err)
{
	struct job_tree tree = structure_tree(s);
	const char *flaw = job_tree_mask_flaw(s->dir_mask);
	uint64_t dirs = job_tree_dirs(&tree), files = job_tree_files(&tree);

	if (!s->has_width || !s->has_depth)
		return node_error(d->doc, s->node, err,
			"a directory_structure needs width and depth");
	if (flaw)
		return node_error(d->doc, at_key(s->node, "dir_mask"), err,
			"dir_mask '%.100s' %s", s->dir_mask, flaw);
	if (strlen(s->dir_mask) > MASK_BYTES_MAX ||
		s->depth * (strlen(s->dir_mask) + DIGITS) > PATH_BYTES_MAX)
		return node_error(d->doc, at_key(s->node, "dir_mask"), err,
			"dir_mask makes names that are too long: it has at most %d "
			"bytes, "
			"and a path in the tree at most %d",
			MASK_BYTES_MAX, PATH_BYTES_MAX);
	if (dirs <= JOB_TREE_MAX && files <= JOB_TREE_MAX)
		return 0;
	if (dirs == UINT64_MAX || files == UINT64_MAX)
		return node_error(d->doc, s->node, err,
			"a directory_structure has at most %s directories and as many "
			"files, this one far more",
			units_count(JOB_TREE_MAX).s);
	return node_error(d->doc, s->node, err,
		"a directory_structure has at most %s directories and as many files, "
		"this one %s and %s",
		units_count(JOB_TREE_MAX).s, units_count(dirs).s, units_count(files).s);
}

int structure_decode(struct decode *d, struct prepare_spec *p, struct err *err)
{
	struct structure_spec *s = &p->structure;

	s->node = p->structure_node;
	if (!s->node)
		return 0;
	if (p->shards)
		return node_error(d->doc, s->node, err,
			"directory_structure and key_prefix_shards exclude each other: "
			"a tree has folders of its own");
	s->dir_mask = strdup(STRUCTURE_MASK);
	if (!s->dir_mask)
		return err_sys(err, ENOMEM, "workload");
	if (decode_map(d, s->node, structure_keys, "directory_structure", s, err) < 0)
		return -1;
	return check(d, s, err);
}

struct job_tree structure_tree(const struct structure_spec *s)
{
	return (struct job_tree){.width = s->width,
		.depth = s->depth,
		.files_per_dir = s->files_per_dir,
		.all = s->distribution > 0,
		.dir_mask = s->dir_mask};
}

/* Directories alone need no entry that says how large files are: they lie at the target. */
static int add_empty(struct prepare_spec *p, struct err *err)
{
	struct set_spec *sets = reallocarray(p->sets, p->n_sets + 1, sizeof(*sets));

	if (!sets)
		return err_sys(err, ENOMEM, "workload");
	p->sets = sets;
	p->sets[p->n_sets++] = (struct set_spec){.node = p->structure.node, .tree = true};
	return 0;
}

/* Entries without a count are the tree's; where none is, one with that count. */
int structure_settle(struct decode *d, struct prepare_spec *p, struct err *err)
{
	struct job_tree tree = structure_tree(&p->structure);
	uint64_t files = job_tree_files(&tree);
	bool found = false;

	if (!p->structure.node)
		return 0;
	for (size_t i = 0; i < p->n_sets; i++)
		found |= p->sets[i].count == 0;
	if (!found && files == 0)
		return add_empty(p, err);
	if (p->n_sets == 0)
		return node_error(d->doc, p->structure.node, err,
			"directory_structure needs an entry of ensure_objects that says "
			"where its files are and how large: ensure_objects: "
			"[{base_uri: \"tree/\", min_size: 4KiB, max_size: 4KiB}]");
	for (size_t i = 0; i < p->n_sets; i++)
		p->sets[i].tree = p->sets[i].count == (found ? 0 : files);
	for (size_t i = 0; i < p->n_sets; i++) {
		p->sets[i].count = p->sets[i].tree ? files : p->sets[i].count;
		found |= p->sets[i].tree;
	}
	if (found)
		return 0;
	return node_error(d->doc, at_key(p->sets[0].node, "count"), err,
		"count is %s, and the directory_structure has %s files: leave count out",
		units_count(p->sets[0].count).s, units_count(files).s);
}
