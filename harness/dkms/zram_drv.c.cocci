// SPDX-License-Identifier: GPL-2.0
// The swap code of a stock kernel notifies zram of one slot at a time.
@notify@
identifier devops;
@@
 struct block_device_operations devops = {
 	.swap_slot_free_notify =
-		zram_slot_free_notify
+		zram_slot_free_notify_one
 };

@depends on notify@
@@
 static void zram_slot_free_notify(...)
 { ... }

+static void zram_slot_free_notify_one(struct block_device *bdev, unsigned long index)
+{
+	zram_slot_free_notify(bdev, index, 1);
+}
