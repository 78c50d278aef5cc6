/* A cable that is long: see delayline.c. */
#ifndef LAB_DELAYLINE_H
#define LAB_DELAYLINE_H

/* Creates the TAP device `tap` and carries every frame between it and the existing interface `link`,
 * each direction as late as `file` says. The file holds four numbers and is read again on SIGHUP:
 * delay of frames from link to tap, delay from tap to link, jitter (all in us), loss (per million).
 * Runs until it is killed; returns an exit status when it cannot start. */
int delayline_run(const char *tap, const char *link, const char *file);

#endif
