
// Like recompression, writeback does not change the content: it replaces it by the place
// on the backing device that has the same content.
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
