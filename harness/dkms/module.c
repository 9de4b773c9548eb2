// SPDX-License-Identifier: GPL-2.0
/* Module exit of the library, for a stock kernel. */
#include <linux/debugfs.h>
#include <linux/module.h>
#include "percpu_defer.h"

/* No instance is left: all belong to modules that depend on this module. */
static void __exit percpu_defer_exit(void)
{
	debugfs_lookup_and_remove("percpu_defer", NULL);
	destroy_workqueue(percpu_defer_wq);
}
module_exit(percpu_defer_exit);

MODULE_DESCRIPTION("Free objects and slot contents outside of hot paths");
MODULE_LICENSE("GPL");
MODULE_VERSION(PERCPU_DEFER_VERSION);
