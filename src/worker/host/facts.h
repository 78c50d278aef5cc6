/* facts: what a worker says of itself and its machine in its hello. */
#pragma once

struct msg_hello;

/* Fills everything but the nonce; what cannot be found out (an empty chroot has no /proc and no /etc)
 * is "", 0, or a guess that is better than nothing. Strings are malloc'ed, as in a decoded message:
 * facts_finish frees them. */
void facts_gather(struct msg_hello *h);
void facts_finish(struct msg_hello *h);
