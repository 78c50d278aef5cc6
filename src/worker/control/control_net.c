/* control_net: network tests of the orchestrator: those of this process (pairs.c). */
#include "common/cleanup.h"
#include "common/err.h"
#include "worker/control/control_impl.h"
#include "worker/net/program.h"

static int say(const struct msg *m, void *user)
{
	return control_say(user, m);
}

/* A channel that does not take bytes holds no test up; the result has all of it. */
static bool has_room(void *user)
{
	struct control *c = user;

	return writer_has_room(c->writer);
}

void control_net_begin(struct control *c)
{
	c->pairs = (struct pairs){
		.loop = c->loop, .say = say, .has_room = has_room, .user = c};
}

/* Before any load, so that what is missing is said in time. */
static void find(struct control *c, const struct msg_find *f)
{
	struct err err = ERR_INIT;
	AUTO_FREE char *path = program_find(f->name, &err);
	struct msg m = {.type = MSG_FOUND};

	m.u.found = (struct msg_found){
		.name = f->name, .path = path, .text = path ? NULL : err.text};
	control_say(c, &m);
}

void control_net(struct control *c, const struct msg *m)
{
	if (m->type == MSG_FIND)
		find(c, &m->u.find);
	else
		pairs_message(&c->pairs, m);
}

void control_net_finish(struct control *c)
{
	pairs_finish(&c->pairs);
}
