// SPDX-License-Identifier: GPL-2.0
#include <linux/percpu_defer.h>

static LLIST_HEAD(late_list);

static void late_work_fn(struct work_struct *work)
{
	kfree(llist_del_all(&late_list));
}

static DECLARE_WORK(late_work, late_work_fn);

/* Not reported, because this file already uses the library. */
void late_free(struct llist_node *node)
{
	if (llist_add(node, &late_list))
		schedule_work(&late_work);
}
