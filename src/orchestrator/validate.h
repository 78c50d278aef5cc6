/* validate: shows a plan. */
#pragma once

struct run;

/* Prints each worker's job as planned. */
void validate_show(const struct run *r);
