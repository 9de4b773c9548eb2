
// Like recompression, writeback must not cancel: it keeps the content of the slot, and
// only replaces the object with a block of the backing device.
@writeback@
expression E1, E2;
position p;
@@
 writeback_store(...)
 {
 	<...
-	zram_free_page@p(E1, E2);
+	__zram_free_page(E1, E2);
 	...>
 }
