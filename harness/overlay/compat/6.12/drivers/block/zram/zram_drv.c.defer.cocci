
// Writeback replaces content by the place where the same content is, so it is as
// recompression.
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
