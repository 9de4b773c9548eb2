// SPDX-License-Identifier: GPL-2.0
/* The end of the library as a module of a stock kernel, which can unload it. */
#include <linux/debugfs.h>
#include <linux/module.h>
#include "percpu_defer.h"

/* The instances belong to modules that use this one, and are gone. */
static void __exit percpu_defer_exit(void)
{
	debugfs_lookup_and_remove("percpu_defer", NULL);
	destroy_workqueue(percpu_defer_wq);
}
module_exit(percpu_defer_exit);

MODULE_DESCRIPTION("Free things off hot paths");
MODULE_LICENSE("GPL");
MODULE_VERSION(PERCPU_DEFER_VERSION);
