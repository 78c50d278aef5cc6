/* ssh_explain: why a negotiation failed, from what both sides sent in the clear. */
#include "transport/libssh2/kexinit.h"
#include "transport/libssh2/ssh.h"

/* The error text holds about a thousand bytes. */
#define LIST_SHOWN 300

bool ssh_explain_no_algorithm(struct ssh *s)
{
	struct kexinit ours, theirs;
	int list;

	if (kexinit_parse(s->plain_out.data, s->plain_out.len, &ours) < 0)
		return false;
	if (kexinit_parse(s->plain_in.data, s->plain_in.len, &theirs) < 0) {
		kexinit_finish(&ours);
		return false;
	}
	list = kexinit_mismatch(&ours, &theirs);
	if (list >= 0)
		conn_fallback(s->c, CONN_FAIL_NO_ALGORITHM,
			"%s: no common %s: the host offers %.*s; libssh2 %s offers %.*s",
			dial_where(s->dial), kex_list_name(list), LIST_SHOWN,
			theirs.lists[list], libssh2_version(0), LIST_SHOWN,
			ours.lists[list]);
	kexinit_finish(&ours);
	kexinit_finish(&theirs);
	return list >= 0;
}
