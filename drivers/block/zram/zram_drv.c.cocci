// SPDX-License-Identifier: GPL-2.0
// Free zram slots in batches: ranges freed by swap, discards, and the whole table.
// The new functions are in zram_drv_free.c.inc and zram_drv_notify.c.inc.
//
// A line "// matches: N" before a rule gives the required number of matches; the
// default is 1.

// Match the original slot_free(), whose steps move to helpers for many slots.
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

// Coccinelle also removes the prototype, which is no longer needed.
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

@meta_free@
identifier zram, num_pages, index;
type T1, T2;
expression E;
position p;
@@
+#include "zram_drv_free.c.inc"
+
 static void zram_meta_free@p(struct zram *zram, ...)
 {
 	T1 num_pages = E;
-	T2 index;

 	if (!zram->table)
 		return;

-	for (index = 0; index < num_pages; index++)
-		slot_free(zram, index);
+	zram_free_table(zram, num_pages);

 	zs_destroy_pool(zram->mem_pool);
 	...
 }

@notify_def@
position p;
@@
+#include "zram_drv_notify.c.inc"
+
 static void zram_meta_free@p(...) { ... }

// The new zram_slot_free_notify() takes a range.
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
