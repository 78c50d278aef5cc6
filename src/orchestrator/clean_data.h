/* clean_data: removes the data that a run left on its hosts. */
#pragma once

struct app;
struct err;

/* clean --data DIR: a cleanup job for each worker of DIR/journal.json. On shared storage those that are
 * there remove the parts of those that are not. Returns an exit code, or -1 with err. */
int clean_data(struct app *app, struct err *err);
