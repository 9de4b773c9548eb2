// SPDX-License-Identifier: GPL-2.0
// A RAM disk frees discarded pages later, from a drain: brd_defer.c.inc.

@lookup@
identifier brd, sector;
position p;
@@
 static struct page *brd_lookup_page@p(struct brd_device *brd, sector_t sector) { ... }
+
+#include "brd_defer.c.inc"

// Whoever puts a page into a slot, or finds one there, takes the slot back first.
@insert@
identifier brd, sector, page, ret;
position p;
@@
 brd_insert_page@p(struct brd_device *brd, sector_t sector, ...)
 {
 	...
 	xa_lock(&brd->brd_pages);
 	ret = __xa_cmpxchg(...);
+	if (!xa_is_err(ret))
+		brd_revive(brd, sector >> PAGE_SECTORS_SHIFT, ret);
 	if (!ret) {
 		...
 		return page;
 	}
 	...
 }

@rw@
identifier brd, sector, page, opf;
position p;
@@
 brd_rw_bvec(...)
 {
 	...
-	page = brd_lookup_page@p(brd, sector);
+	page = brd_live_page(brd, sector, op_is_write(opf));
 	if (!page && op_is_write(opf)) { ... }
 	...
 }

@discard@
identifier brd, sector, size, first, end, page;
position p;
@@
 static void brd_do_discard@p(struct brd_device *brd, sector_t sector, u32 size)
 {
 	...
-	struct page *page;
 	...
 	if (end <= first)
 		return;

-	xa_lock(&brd->brd_pages);
-	while (...) {
-		...
-	}
-	xa_unlock(&brd->brd_pages);
+	brd_discard_pages(brd, first, end);
 }

@add@
identifier disk, err;
position p;
@@
 set_capacity(disk, ...);
+err = brd_defer_init(disk->private_data);
+if (err)
+	goto out_cleanup_disk;
 err = add_disk@p(disk);
 if (err)
-	goto out_cleanup_disk;
+	goto out_destroy_map;

@remove@
identifier brd;
position p;
@@
 del_gendisk@p(brd->brd_disk);
+percpu_defer_map_destroy(&brd->dead);
 put_disk(brd->brd_disk);
