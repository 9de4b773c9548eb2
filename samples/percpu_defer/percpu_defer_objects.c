// SPDX-License-Identifier: GPL-2.0
/*
 * Example of percpu_defer for objects: a list of notes whose frees are deferred.
 *
 * A task may push a note that it has taken off the list, because no other task can find the
 * note any more. The drain frees many notes at once.
 */
#include <linux/list.h>
#include <linux/module.h>
#include <linux/percpu_defer.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/string.h>

struct note {
	struct list_head list;
	char text[48];
};

static struct kmem_cache *note_cache;
static struct percpu_defer note_defer;
static LIST_HEAD(notes);
static DEFINE_SPINLOCK(notes_lock);

static void notes_drain(struct percpu_defer *pd, unsigned long *obj, unsigned int nr)
{
	kmem_cache_free_bulk(note_cache, nr, (void **)obj);
}

static int note_add(const char *text)
{
	struct note *note = kmem_cache_zalloc(note_cache, GFP_KERNEL);

	if (!note)
		return -ENOMEM;
	strscpy(note->text, text);
	guard(spinlock)(&notes_lock);
	list_add(&note->list, &notes);
	return 0;
}

/* Remove the latest note. Return false if the list is empty. */
static bool note_remove(void)
{
	struct note *note;

	scoped_guard(spinlock, &notes_lock) {
		note = list_first_entry_or_null(&notes, struct note, list);
		if (note)
			list_del(&note->list);
	}
	if (!note)
		return false;
	/* If the push is refused, for example at the cap, free the note now. */
	if (!percpu_defer_push(&note_defer, (unsigned long)note))
		kmem_cache_free(note_cache, note);
	return true;
}

static void __exit notes_exit(void)
{
	while (note_remove())
		;
	/* No push can follow, because no notes are left. */
	percpu_defer_destroy(&note_defer);
	kmem_cache_destroy(note_cache);
}
module_exit(notes_exit);

static int __init notes_init(void)
{
	int err;

	note_cache = KMEM_CACHE(note, 0);
	if (!note_cache)
		return -ENOMEM;
	err = percpu_defer_init(&note_defer, "sample-notes", notes_drain);
	if (err) {
		kmem_cache_destroy(note_cache);
		return err;
	}
	err = note_add("first") ?: note_add("second");
	if (err) {
		pr_err("sample-notes: cannot add a note\n");
		while (note_remove())
			;
		percpu_defer_destroy(&note_defer);
		kmem_cache_destroy(note_cache);
	}
	return err;
}
module_init(notes_init);

MODULE_DESCRIPTION("Example of percpu_defer for objects");
MODULE_LICENSE("GPL");
