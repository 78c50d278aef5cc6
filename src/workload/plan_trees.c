/* plan_trees: trees of directories over several workers, and what ops do in them. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"
#include "common/err.h"
#include "common/text.h"
#include "common/units.h"
#include "workload/plan.h"

static const struct node *at_key(const struct node *map, const char *key)
{
	const struct node *n = node_get(map, key);

	return n ? n : map;
}

static bool has_tree(const struct planner *p)
{
	return p->w->prepare.structure.node != NULL;
}

bool plan_isolated(const struct planner *p)
{
	return has_tree(p) && p->w->distributed.tree_mode == TREE_ISOLATED;
}

int plan_job_tree(
	const struct planner *p, const struct set_spec *spec, struct job_set *set)
{
	if (!spec->tree)
		return 0;
	set->tree = structure_tree(&p->w->prepare.structure);
	set->tree.dir_mask = strdup(set->tree.dir_mask);
	if (!set->tree.dir_mask) {
		set->tree = (struct job_tree){.depth = 0};
		return -ENOMEM;
	}
	return 0;
}

void plan_job_parts(const struct planner *p, struct job *j)
{
	const struct distributed_spec *d = &p->w->distributed;

	j->interleave = p->w->prepare.strategy > 0;
	j->trust = p->w->prepare.trust;
	j->overwrite = p->w->prepare.overwrite;
	/* where each worker has a tree of its own, all of it is its part */
	if (!p->shared || !has_tree(p))
		return;
	j->coordinator = d->tree_mode == TREE_COORDINATOR;
	j->path_selection = (enum path_selection)d->path_selection;
	if (j->path_selection == PATHS_PARTITIONED || j->path_selection == PATHS_WEIGHTED)
		j->partition_overlap = d->partition_overlap;
}

int plan_note_trees(struct planner *p, struct err *err)
{
	const struct distributed_spec *d = &p->w->distributed;
	bool mode = d->tree_mode_set && d->tree_mode != TREE_CONCURRENT;
	bool paths = d->path_selection_set && d->path_selection != PATHS_RANDOM;

	if (mode && !has_tree(p) &&
		plan_note(p, err,
			"tree_creation_mode is about a directory_structure, and there is "
			"none") < 0)
		return -1;
	if (paths && !has_tree(p))
		return plan_note(p, err,
			"path_selection is about a directory_structure, and there is "
			"none");
	if (p->isolated && p->subfolders &&
		plan_note(p, err,
			"tree_creation_mode isolated: every worker works in a folder of "
			"its own, the first one in %s%s",
			p->seats[0].target ? p->seats[0].target : "",
			p->seats[0].sub) < 0)
		return -1;
	if (paths && p->n > 1 && !p->shared)
		return plan_note(p, err,
			"every worker has a tree of its own: path_selection is not used");
	return 0;
}

/* ---- ops ---- */

/* Whether uri means the files of a tree: a prefix it lies below, or a glob that matches a file in its
 * topmost folder, or its first one. */
static bool covers_tree(const char *uri, const struct job_set *set)
{
	const struct job_tree *t = &set->tree;
	AUTO_BUF struct buf first = BUF_INIT;
	AUTO_FREE char *flat = NULL;

	if (!t->depth)
		return false;
	if (!text_has_wildcard(uri))
		return text_ends_with(uri, "/") && text_starts_with(set->uri, uri);
	flat = text_printf("%sfile_00000000.dat", set->uri);
	if (!flat || text_match(uri, flat, false))
		return true;
	buf_puts(&first, set->uri);
	for (unsigned d = 1; d <= (t->all ? 1 : t->depth); d++) {
		const char *level = strstr(t->dir_mask, "%d");
		const char *number = strstr(level + 2, "%d");

		buf_printf(&first, "%.*s%u%.*s1%s/", (int)(level - t->dir_mask),
			t->dir_mask, d, (int)(number - level - 2), level + 2, number + 2);
	}
	buf_puts(&first, "file_00000000.dat");
	return !first.data || text_match(uri, first.data, false);
}

bool plan_covers(const char *uri, const struct job_set *set)
{
	return set->tree.depth ? covers_tree(uri, set)
			       : uri_covers(uri, set->uri, set->name);
}

bool workload_in_tree(const struct job *j, const char *uri)
{
	for (size_t i = 0; i < j->n_sets; i++)
		if (covers_tree(uri, &j->sets[i]))
			return true;
	return false;
}

static int check_put(struct planner *p, const struct job *j, size_t i, struct err *err)
{
	const struct op_spec *op = &p->w->ops[i];
	bool tree = workload_in_tree(j, j->ops[i].uri);
	bool sized = op->has_object_size || op->has_distribution;

	if (tree && sized)
		return plan_note(p, err,
			"put '%s' overwrites files of the tree, which keep their sizes: "
			"%s is not used",
			op->path,
			op->has_object_size ? "object_size" : "size_distribution");
	if (!tree && !sized)
		return node_error(p->w->doc, op->node, err,
			"a put needs object_size or size_distribution: '%s' is not the "
			"directory_structure, whose files have sizes",
			op->path);
	if (!tree && op->selection.how != SELECT_UNIFORM)
		return node_error(p->w->doc, at_key(op->node, "selection"), err,
			"a put makes new objects and chooses none: selection is for puts "
			"into a directory_structure");
	return 0;
}

static bool reads(enum op_kind kind)
{
	return kind == OP_GET || kind == OP_STAT || kind == OP_RANGE_GET ||
	       kind == OP_RANGE_PUT || kind == OP_COPY;
}

static bool has_mkdir(const struct job *j, const char *uri)
{
	for (size_t k = 0; k < j->n_ops; k++)
		if (j->ops[k].kind == OP_MKDIR && strcmp(j->ops[k].uri, uri) == 0)
			return true;
	return false;
}

/* The first op that works in the same tree as op i, and reads something there, or makes it or (an earlier rmdir)
 * removes it; NULL: none. */
static const struct job_op *at_work(const struct job *j, size_t i, bool changes)
{
	for (size_t s = 0; s < j->n_sets; s++)
		for (size_t k = 0; k < j->n_ops; k++) {
			const struct job_op *op = &j->ops[k];
			const bool changed =
				op->kind == OP_PUT || op->kind == OP_MKDIR ||
				(op->kind == OP_RMDIR && k < i && !has_mkdir(j, op->uri));

			if ((changes ? changed : reads(op->kind)) &&
				covers_tree(j->ops[i].uri, &j->sets[s]) &&
				covers_tree(op->uri, &j->sets[s]))
				return op;
		}
	return NULL;
}

/* Names of a tree are one set: what a delete takes is gone for those that read. */
static int check_delete(struct planner *p, const struct job *j, size_t i, struct err *err)
{
	const struct job_op *reader = at_work(j, i, false);

	if (!reader)
		return 0;
	return plan_note(p, err,
		"delete '%s' takes files of the tree that %s reads: expect not_found "
		"errors",
		p->w->ops[i].path, op_infos[reader->kind].name);
}

/* The same of directories, with what is in them. */
static int note_others(struct planner *p, const struct job *j, size_t i, struct err *err)
{
	const struct op_spec *op = &p->w->ops[i];
	const struct job_op *reader = op->recursive ? at_work(j, i, false) : NULL;
	const struct job_op *other = at_work(j, i, true);

	if (reader &&
		plan_note(p, err,
			"rmdir '%s' takes directories with files that %s reads: expect "
			"not_found errors",
			op->path, op_infos[reader->kind].name) < 0)
		return -1;
	if (!other)
		return 0;
	return plan_note(p, err,
		"rmdir '%s' takes directories of the tree that %s works in: expect "
		"not_found and exists errors",
		op->path, op_infos[other->kind].name);
}

/* The tree whose directories an rmdir removes; NULL: none. */
static const struct job_set *tree_of(const struct job *j, const char *uri)
{
	for (size_t i = 0; i < j->n_sets; i++)
		if (!text_has_wildcard(uri) && covers_tree(uri, &j->sets[i]))
			return &j->sets[i];
	return NULL;
}

/* The op that may take files of a tree away meanwhile; NULL: none. */
static const struct job_op *emptier(const struct job *j, const struct job_set *set)
{
	for (size_t i = 0; i < j->n_ops; i++) {
		const struct job_op *op = &j->ops[i];
		const bool removes =
			op->kind == OP_DELETE || (op->kind == OP_RMDIR && op->recursive);
		const size_t folder = uri_folder_len(op->uri);
		const size_t len = strlen(set->uri);

		if (removes &&
			strncmp(op->uri, set->uri, folder < len ? folder : len) == 0)
			return op;
	}
	return NULL;
}

/* Without recursive a directory has to be empty, and the files of a tree are in all of them or below them. */
static int check_full(struct planner *p, const struct job *j, size_t i, struct err *err)
{
	const struct op_spec *op = &p->w->ops[i];
	const struct job_set *set = tree_of(j, j->ops[i].uri);
	const struct job_op *other;

	if (!set || set->tree.files_per_dir == 0 || op->recursive || !p->scheme->is_local)
		return 0;
	other = emptier(j, set);
	if (other)
		return plan_note(p, err,
			"rmdir '%s' comes to directories that %s has not emptied by "
			"then: expect errors of class exists",
			op->path, op_infos[other->kind].name);
	if (j->trust)
		return 0;
	return node_error(p->w->doc, at_key(op->node, "path"), err,
		"rmdir '%s' finds no empty directory: the tree has %u files in each that "
		"holds files, and nothing of this workload deletes them: give it "
		"recursive: true, or the tree files_per_dir: 0",
		op->path, set->tree.files_per_dir);
}

/* Directories that hold some of several workers' are removed by none of them. */
static int note_left(struct planner *p, const struct job *j, size_t i, struct err *err)
{
	const struct job_set *set = tree_of(j, j->ops[i].uri);
	uint64_t dirs, left;

	if (!set || !p->shared)
		return 0;
	dirs = left = job_tree_dirs(&set->tree);
	for (uint32_t s = 0; s < j->share_count; s++)
		left -= job_tree_part(&set->tree, s, j->share_count).dirs;
	if (left == 0)
		return 0;
	return plan_note(p, err,
		"rmdir '%s': %s of the %s directories of a tree %s directories of "
		"several workers, and none of these removes %s: %s",
		p->w->ops[i].path, units_count(left).s, units_count(dirs).s,
		left > 1 ? "hold" : "holds", left > 1 ? "them" : "it",
		p->w->prepare.cleanup ? "cleanup does" : "they stay");
}

static int check_rmdir(struct planner *p, const struct job *j, size_t i, struct err *err)
{
	const struct op_spec *op = &p->w->ops[i];

	if (has_mkdir(j, j->ops[i].uri))
		return 0;
	if (!j->allow_foreign && !workload_in_tree(j, j->ops[i].uri))
		return node_error(p->w->doc, at_key(op->node, "path"), err,
			"rmdir '%s' has nothing to remove: it needs a mkdir of the same "
			"path, or a directory_structure, or --allow-foreign",
			op->path);
	if (check_full(p, j, i, err) < 0 || note_left(p, j, i, err) < 0)
		return -1;
	return note_others(p, j, i, err);
}

/* Where directories are nothing but what names have in front, a tree without files is nothing. */
static int check_files(struct planner *p, struct err *err)
{
	const struct structure_spec *s = &p->w->prepare.structure;
	const struct node *n;

	if (!has_tree(p) || !p->scheme->containers || s->files_per_dir > 0)
		return 0;
	n = node_get(s->node, "files_per_dir");
	return node_error(p->w->doc, n ? n : s->node, err,
		"%s has no directories: a directory_structure is made of its files "
		"there, and needs files_per_dir",
		p->scheme->prefix);
}

int plan_check_trees(struct planner *p, const struct job *first, struct err *err)
{
	if (check_files(p, err) < 0)
		return -1;
	for (size_t i = 0; i < first->n_ops; i++) {
		int r = 0;

		if (first->ops[i].kind == OP_PUT)
			r = check_put(p, first, i, err);
		else if (first->ops[i].kind == OP_RMDIR)
			r = check_rmdir(p, first, i, err);
		else if (first->ops[i].kind == OP_DELETE)
			r = check_delete(p, first, i, err);
		if (r < 0)
			return -1;
	}
	return 0;
}
