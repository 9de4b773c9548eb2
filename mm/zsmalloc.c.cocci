// SPDX-License-Identifier: GPL-2.0
// Add bulk free to zsmalloc (zsmalloc_bulk.c.inc). The lookup of an object's class differs
// between kernel versions (zsmalloc_class.c.inc).

@bulk@
identifier src;
position p;
@@
+#include "zsmalloc_class.c.inc"
+
+#include "zsmalloc_bulk.c.inc"
+
 static void zs_object_copy@p(struct size_class *class, unsigned long dst,
 			     unsigned long src)
 { ... }
