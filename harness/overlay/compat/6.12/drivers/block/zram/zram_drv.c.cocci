@before@
identifier zram, index, handle;
type T;
position p, here;
@@
 static void zram_free_page@p@here(struct zram *zram, T index)
 {
 	unsigned long handle;
 	...
 	if (zram_test_flag(zram, index, ZRAM_HUGE)) {
 		zram_clear_flag(zram, index, ZRAM_HUGE);
 		atomic64_dec(&zram->stats.huge_pages);
 	}
 	...
 	WARN_ON_ONCE(zram->table[index].flags & ~(1UL << ZRAM_UNDER_WB));
 }

