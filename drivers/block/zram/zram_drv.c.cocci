// SPDX-License-Identifier: GPL-2.0
// zram frees the slots of freed swap entries later, from a drain: the ranged
// swap_slot_free_notify() only marks them dead, and everything that looks at a
// slot knows a dead one. The new functions are in zram_drv_*.c.inc.
//
// A line "// matches: N" before a rule says how often it must match; once if
// there is none.

// A dead slot looks empty to idle, writeback, recompress and block_state.
@allocated@
typedef bool;
identifier zram, index;
type T;
expression E;
position p;
@@
+#include "zram_drv_dead.c.inc"
+
 static inline bool slot_allocated@p(struct zram *zram, T index)
 {
+	if (slot_dead(zram, index))
+		return false;
 	return E;
 }

// A slot that died after it was selected for post-processing has lost the
// selection, as one that was freed has.
// matches: 3
@selected@
expression zram, index;
position p;
@@
-test_slot_flag@p(zram, index, ZRAM_PP_SLOT)
+slot_pp_valid(zram, index)

// A dead slot reads as zeros.
@read@
identifier zram, page, index, parent;
type T;
statement S1, S2;
position p;
@@
 zram_read_page@p(struct zram *zram, struct page *page, T index, struct bio *parent)
 {
 	...
 	slot_lock(zram, index);
+	if (slot_dead(zram, index)) {
+		slot_unlock(zram, index);
+		clear_highpage(page);
+		return 0;
+	}
+
 	if (!test_slot_flag(zram, index, ZRAM_WB)) S1 else S2
 	...
 }

// What one function did for one slot is now in pieces that do it for many.
@before@
identifier zram, index, handle, out;
type T;
position p, here;
@@
 static void slot_free@p@here(struct zram *zram, T index)
 {
 	unsigned long handle;
 	...
 	clear_slot_flag(zram, index, ZRAM_IDLE);
 	clear_slot_flag(zram, index, ZRAM_INCOMPRESSIBLE);
 	clear_slot_flag(zram, index, ZRAM_PP_SLOT);
 	set_slot_comp_priority(zram, index, 0);

 	if (test_slot_flag(zram, index, ZRAM_HUGE)) {
 		if (!test_slot_flag(zram, index, ZRAM_WB))
 			atomic64_dec(&zram->stats.huge_pages);
 		clear_slot_flag(zram, index, ZRAM_HUGE);
 	}

 	if (test_slot_flag(zram, index, ZRAM_WB)) {
 		clear_slot_flag(zram, index, ZRAM_WB);
 		zram_release_bdev_block(zram, get_slot_handle(zram, index));
 		goto out;
 	}

 	if (test_slot_flag(zram, index, ZRAM_SAME)) {
 		clear_slot_flag(zram, index, ZRAM_SAME);
 		atomic64_dec(&zram->stats.same_pages);
 		goto out;
 	}

 	handle = get_slot_handle(zram, index);
 	if (!handle)
 		return;

 	zs_free(zram->mem_pool, handle);

 	atomic64_sub(get_slot_size(zram, index),
 		     &zram->stats.compr_data_size);
 out:
 	atomic64_dec(&zram->stats.pages_stored);
 	set_slot_handle(zram, index, 0);
 	set_slot_size(zram, index, 0);
 }

// Whoever frees or refills a slot takes it back from the drain first. (Coccinelle
// removes the prototype, too. None is needed now.)
@free@
position before.here, p;
@@
-static void slot_free@here@p(...) { ... }

@discard@
expression zram, index, n;
position p;
@@
 zram_bio_discard(...)
 {
 	...
-	while (n >= PAGE_SIZE) {
-		slot_lock(zram, index);
-		slot_free@p(zram, index);
-		slot_unlock(zram, index);
-		atomic64_inc(&zram->stats.notify_free);
-		index++;
-		n -= PAGE_SIZE;
-	}
+	zram_discard_slots(zram, index, n >> PAGE_SHIFT);
 	...
 }

// Not so recompression, which replaces content by the same content: if the slot
// dies meanwhile, it stays dead and the drain frees what is there then.
@recompress@
expression E1, E2;
position p;
@@
 recompress_slot(...)
 {
 	...
-	slot_free@p(E1, E2);
+	__slot_free(E1, E2);
 	...
 }

@meta_alloc@
identifier zram;
position p;
@@
 zram_meta_alloc(struct zram *zram, ...)
 {
 	...
+	if (zram_defer_init(zram, num_pages)) {
+		zs_destroy_pool(zram->mem_pool);
+		vfree(zram->table);
+		zram->table = NULL;
+		return false;
+	}
+
 	if (!huge_class_size@p)
 		huge_class_size = zs_huge_class_size(zram->mem_pool);
 	...
 }

@meta_free@
identifier zram, num_pages, index;
type T1, T2;
expression E;
position p;
@@
+#include "zram_drv_free.c.inc"
+
+#include "zram_drv_defer.c.inc"
+
 static void zram_meta_free@p(struct zram *zram, ...)
 {
 	T1 num_pages = E;
-	T2 index;

 	if (!zram->table)
 		return;

+
+	/* No drain may run beside what takes no slot locks. */
+	percpu_defer_map_destroy(&zram->defer);
-	for (index = 0; index < num_pages; index++)
-		slot_free(zram, index);
+	zram_free_table(zram, num_pages);

 	zs_destroy_pool(zram->mem_pool);
 	...
 }

// Compaction would move what is dead, too.
@compact@
expression pool;
position p;
@@
 compact_store(...)
 {
 	...
+	percpu_defer_flush(&zram->defer.core);
 	zs_compact@p(pool);
 	...
 }

// What is dead counts against mem_limit and against the allocator.
@write_def@
position p;
@@
+#include "zram_drv_write.c.inc"
+
 static int write_incompressible_page@p(...) { ... }

// matches: 2
@write@
expression handle, size, gfp, nid;
statement S;
position p;
@@
-handle = zs_malloc@p(zram->mem_pool, size, gfp, nid);
+handle = zram_malloc(zram, size, nid);
 if (IS_ERR_VALUE(handle)) S
-if (!zram_can_store_page(zram)) { ... }

@retry_def@
position p;
@@
 static int zram_write_page@p(...) { ... }
+
+#include "zram_drv_retry.c.inc"

// matches: 2
@retry@
expression zram, page, index;
position p;
@@
-zram_write_page@p(zram, page, index)
+zram_write_page_retry(zram, page, index)

// Dead slots must not keep blocks of the backing device from writeback.
@writeback_flush@
identifier blk_idx, zram;
position p;
@@
 blk_idx = zram_reserve_bdev_block@p(zram);
+if (blk_idx == INVALID_BDEV_BLOCK) {
+	/* Dead slots keep their blocks until they are drained. */
+	percpu_defer_flush(&zram->defer.core);
+	blk_idx = zram_reserve_bdev_block(zram);
+}

// Replaced by a ranged one in zram_drv_defer.c.inc.
@notify@
identifier bdev, index, zram;
type T;
position p;
@@
-static void zram_slot_free_notify@p(struct block_device *bdev, T index)
-{
-	struct zram *zram;
-
-	zram = bdev->bd_disk->private_data;
-
-	atomic64_inc(&zram->stats.notify_free);
-	if (!slot_trylock(zram, index)) {
-		atomic64_inc(&zram->stats.miss_free);
-		return;
-	}
-
-	slot_free(zram, index);
-	slot_unlock(zram, index);
-}

@attr@
declarer name DEVICE_ATTR_RO;
declarer name DEVICE_ATTR_RW;
position p;
@@
 DEVICE_ATTR_RO@p(debug_stat);
+static DEVICE_ATTR_RW(deferred_free);
+static DEVICE_ATTR_RO(deferred_pages);

@attrs@
position p;
@@
 static struct attribute *zram_disk_attrs@p[] = {
 	...,
 	&dev_attr_debug_stat.attr,
+	&dev_attr_deferred_free.attr,
+	&dev_attr_deferred_pages.attr,
 	...,
 };

@add@
expression zram;
position p;
@@
 init_rwsem@p(&zram->dev_lock);
+zram->deferred_free = IS_ENABLED(CONFIG_PERCPU_DEFER);
