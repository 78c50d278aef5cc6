/* control_net: network tests of the orchestrator: those of this process (pairs.c). */
#include "worker/control_impl.h"

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

void control_net(struct control *c, const struct msg *m)
{
	pairs_message(&c->pairs, m);
}

void control_net_finish(struct control *c)
{
	pairs_finish(&c->pairs);
}
