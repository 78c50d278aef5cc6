/* export: one JSON object to a file or to stdout. */
#include "orchestrator/export.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"
#include "common/err.h"
#include "common/file.h"
#include "common/text.h"

int export_check_name(const char *path, const char *command, struct err *err)
{
	if (!path || strcmp(path, "-") == 0 || text_ends_with(path, ".json"))
		return 0;
	return err_set(err, ERR_INPUT, "--export %s: %s writes .json, or - for stdout",
		path, command);
}

int export_write(json_t *all, const char *path, struct err *err)
{
	AUTO_FREE char *text = json_dumps(all, JSON_INDENT(2) | JSON_REAL_PRECISION(9));
	AUTO_FREE char *line = text ? text_printf("%s\n", text) : NULL;

	json_decref(all);
	if (!line)
		return err_sys(err, ENOMEM, "--export %s", path);
	if (strcmp(path, "-") != 0)
		return file_write_atomic(path, line, strlen(line), 0666, err);
	if (fputs(line, stdout) < 0 || fflush(stdout) != 0)
		return err_sys(err, errno, "--export -: stdout");
	return 0;
}
