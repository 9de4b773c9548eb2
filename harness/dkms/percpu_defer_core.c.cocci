// SPDX-License-Identifier: GPL-2.0
// Use one worker per instance, because several would contend in zs_free() of a stock kernel.
@@
expression core;
@@
 percpu_defer_work(...)
 {
 ...
-min(num_online_cpus(), core->mode->stripes)
+1
 ...
 }
