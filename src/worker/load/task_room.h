/* task_room: whether what prepare makes has room where it goes. */
#pragma once

struct task;

/* Warns of file systems that have less free than the sets to be made there need, before the first object. After the
 * sets were inspected. */
void task_check_room(struct task *t);
