// SPDX-License-Identifier: GPL-2.0
// Notify the device and zswap of each range of freed slots in one call. Also notify zswap
// of slots that are about to be allocated.

// Rewriting the unchanged declaration makes Coccinelle remove all of the following line.
@zswap@
identifier si, offset, nr_entries, notify, i;
position p;
@@
 static void swap_range_free@p(struct swap_info_struct *si, unsigned long offset,
			     unsigned int nr_entries)
 {
 	...
-	void (*notify)(struct block_device *, unsigned long);
+	void (*notify)(struct block_device *, unsigned long);
-	unsigned int i;
 	...
-	for (i = 0; i < nr_entries; i++)
-		zswap_invalidate(swp_entry(si->type, offset + i));
+
+	zswap_invalidate_range(swp_entry(si->type, offset), nr_entries);
 	...
 }

@notify@
identifier si, offset, nr_entries, end, notify;
position p;
@@
 static void swap_range_free@p(struct swap_info_struct *si, unsigned long offset,
			     unsigned int nr_entries)
 {
 	...
-	void (*notify)(struct block_device *, unsigned long);
+	void (*notify)(struct block_device *bdev, unsigned long i, unsigned int nr);
 	...
 	if (si->flags & SWP_BLKDEV)
 		notify = si->bdev->bd_disk->fops->swap_slot_free_notify;
 	else
 		notify = NULL;
+	if (notify)
+		notify(si->bdev, offset, nr_entries);
 	while (offset <= end) {
 		arch_swap_invalidate_page(si->type, offset);
-		if (notify)
-			notify(si->bdev, offset);
 		offset++;
 	}
 	...
 }

// Call zswap under the cluster lock, before the slots are allocated.
@alloc@
typedef bool;
identifier fn, si, ci, folio, ci_off;
expression nr;
position p;
@@
 static bool fn(struct swap_info_struct *si, struct swap_cluster_info *ci,
		struct folio *folio, unsigned int ci_off)
 {
 	<...
+	zswap_reuse_range(swp_entry(si->type, cluster_offset(si, ci) + ci_off), nr);
 	swap_range_alloc@p(si, nr);
 	...>
 }
