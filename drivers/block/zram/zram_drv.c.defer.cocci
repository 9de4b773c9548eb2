// SPDX-License-Identifier: GPL-2.0
// Defer freeing the zram slots of freed swap entries to a drain.
// swap_slot_free_notify() only marks the slots dead. All users of slots check for
// dead slots. The new functions are in zram_drv_*.c.inc.

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

@selected_def@
position p;
@@
+#include "zram_drv_pp.c.inc"
+
 static inline bool slot_allocated@p(...) { ... }

// A slot that becomes dead after its selection for post-processing loses the
// selection, like a freed slot.
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

// Cancel the deferred free of a slot before the slot is freed or refilled.
@slot_free@
identifier zram, index;
type T;
position p;
@@
 static void
-slot_free
+__slot_free
 @p(struct zram *zram, T index)
 { ... }
+
+#include "zram_drv_slot_free.c.inc"

// matches: 2
@cancel@
expression zram, index, batch;
position p;
@@
+percpu_defer_map_cancel(&zram->defer, index);
 zram_batch_add@p(zram, batch, index);
 slot_unlock(zram, index);

// Do not cancel in recompression, which stores the same content in a new object. A slot
// that becomes dead meanwhile stays dead, and the drain frees the new object.
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
identifier zram;
position p;
@@
 zram_meta_free(struct zram *zram, ...)
 {
 	...
 	if (!zram->table)
 		return;

+
+	/* zram_free_table() takes no slot locks, so no drain may run concurrently. */
+	percpu_defer_map_destroy(&zram->defer);
 	zram_free_table@p(...);
 	...
 }

@drain@
attribute name noinline;
position p;
@@
+#include "zram_drv_defer.c.inc"
+
 static noinline void zram_free_few@p(...) { ... }

@push@
identifier bdev, index, nr, zram;
type T1, T2;
position p;
@@
 zram_slot_free_notify@p(struct block_device *bdev, T1 index, T2 nr)
 {
 	...
-	atomic64_add(nr, &zram->stats.notify_free);
+	atomic64_add(nr, &zram->stats.notify_free);
+	/*
+	 * Swap holds a lock that keeps the slots from being allocated again, as
+	 * percpu_defer_map_push() requires. If disabled, avoid the cost of a refused push.
+	 */
+	if (READ_ONCE(zram->deferred_free) && percpu_defer_map_push(&zram->defer, index, nr))
+		return;
 	...
 }

@sysfs@
position p;
@@
 static void zram_slot_free_notify@p(...) { ... }
+
+#include "zram_drv_sysfs.c.inc"

// Flush before compaction, which would also move dead objects.
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

// If an allocation fails, free some dead objects, because they occupy memory and count
// against mem_limit.
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

// Flush if writeback finds no free block: dead slots may hold all of the backing device.
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

@attr@
declarer name DEVICE_ATTR_RO;
declarer name DEVICE_ATTR_RW;
declarer name DEVICE_ATTR_WO;
position p;
@@
 DEVICE_ATTR_WO@p(compact);
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
