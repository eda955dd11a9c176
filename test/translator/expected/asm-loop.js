"use asm";
var i32 = new stdlib.Int32Array(heap);
var u8 = new stdlib.Uint8Array(heap);
var u16 = new stdlib.Uint16Array(heap);
var slow_load32 = foreign.slow_load32;
var slow_update32 = foreign.slow_update32;
var slow_store32 = foreign.slow_store32;
var fault = foreign.fault;
function region_10000($0) {
$0 = $0 | 0;
var $n = 0, r0 = 0, r1 = 0, r3 = 0, fo = 0, fd = 0, fs = 0, fx = 0, $e = 0, $b = 0, $s = 0, $g0_0 = 4, $g0_1 = 4, $o0_0 = 0, r = 0, fp = 0, $m = 0, $u = 0, $w = 0, $o0_1 = 0, fa = 0;
$n = i32[14] | 0;
r0 = i32[0] | 0;
r1 = i32[1] | 0;
r3 = i32[3] | 0;
fo = i32[9] | 0;
fd = i32[10] | 0;
fs = i32[11] | 0;
fx = i32[12] | 0;
F: {
 X: {
  L0: for (; ; ) {
   if (($n | 0) < 24) {
    $e = 65536;
    break X;
   }
   $n = $n + -6 | 0;
   // 10000 mov eax, dword ptr [ebx]
   {
    if ((r3 & -4093) == ($g0_0 | 0)) {
     $b = i32[r3 + $o0_0 >> 2] | 0;
    } else {
     $s = i32[(r3 >>> 10 & 4194300) + 1048576 >> 2] | 0;
     if ((r3 & 3) < ($s & 1)) {
      $g0_0 = r3 & -4096;
      $o0_0 = $s - 1 | 0;
      $b = i32[r3 + $o0_0 >> 2] | 0;
     } else {
      $b = slow_load32(r3 | 0, 0) | 0;
      $g0_0 = 4;
      $g0_1 = 4;
      if (i32[192] | 0) break F;
     }
    }
    r0 = $b;
   }
   // 10002 add ecx, eax
   {
    r = r1 + r0 | 0;
    fp = 0;
    fs = r0;
    fd = r;
    fo = 6;
    r1 = r;
   }
   // 10004 inc dword ptr [ebx+0x4]
   {
    $m = r3 + 4 | 0;
    if (($m & -4093) == ($g0_1 | 0)) {
     $w = $o0_1 | 1;
     $u = i32[$m + $o0_1 >> 2] | 0;
    } else {
     $w = i32[($m >>> 10 & 4194300) + 5242880 >> 2] | 0;
     if (($m & 3) < ($w & 1)) {
      $g0_1 = $m & -4096;
      $o0_1 = $w - 1 | 0;
      $u = i32[$m + $o0_1 >> 2] | 0;
     } else {
      $u = slow_update32($m | 0, 1) | 0;
      $g0_0 = 4;
      $g0_1 = 4;
      if (i32[192] | 0) break F;
     }
    }
    r = $u + 1 | 0;
    if (($m & 3) < ($w & 1)) i32[$m + $w - 1 >> 2] = r; else {
     slow_store32($m | 0, r | 0, 1);
     $g0_0 = 4;
     $g0_1 = 4;
     if (i32[192] | 0) break F;
    }
   }
   // 10007 add ebx, 0x8
   {
    r = r3 + 8 | 0;
    r3 = r;
   }
   // 1000d cmp ebx, 0x40000
   {
    fs = 262144;
    fa = r3;
    fd = r3 - 262144 | 0;
    fo = 14;
   }
   // 10013 jne 0x10000
   if (!((fd | 0) == 0)) {
    $n = $n + -6 | 0;
    // 10000 mov eax, dword ptr [ebx]
    {
     if ((r3 & -4093) == ($g0_0 | 0)) {
      $b = i32[r3 + $o0_0 >> 2] | 0;
     } else {
      $s = i32[(r3 >>> 10 & 4194300) + 1048576 >> 2] | 0;
      if ((r3 & 3) < ($s & 1)) {
       $g0_0 = r3 & -4096;
       $o0_0 = $s - 1 | 0;
       $b = i32[r3 + $o0_0 >> 2] | 0;
      } else {
       $b = slow_load32(r3 | 0, 2) | 0;
       $g0_0 = 4;
       $g0_1 = 4;
       if (i32[192] | 0) break F;
      }
     }
     r0 = $b;
    }
    // 10002 add ecx, eax
    {
     r = r1 + r0 | 0;
     fs = r0;
     fd = r;
     fo = 6;
     r1 = r;
    }
    // 10004 inc dword ptr [ebx+0x4]
    {
     $m = r3 + 4 | 0;
     if (($m & -4093) == ($g0_1 | 0)) {
      $w = $o0_1 | 1;
      $u = i32[$m + $o0_1 >> 2] | 0;
     } else {
      $w = i32[($m >>> 10 & 4194300) + 5242880 >> 2] | 0;
      if (($m & 3) < ($w & 1)) {
       $g0_1 = $m & -4096;
       $o0_1 = $w - 1 | 0;
       $u = i32[$m + $o0_1 >> 2] | 0;
      } else {
       $u = slow_update32($m | 0, 3) | 0;
       $g0_0 = 4;
       $g0_1 = 4;
       if (i32[192] | 0) break F;
      }
     }
     r = $u + 1 | 0;
     if (($m & 3) < ($w & 1)) i32[$m + $w - 1 >> 2] = r; else {
      slow_store32($m | 0, r | 0, 3);
      $g0_0 = 4;
      $g0_1 = 4;
      if (i32[192] | 0) break F;
     }
    }
    // 10007 add ebx, 0x8
    {
     r = r3 + 8 | 0;
     r3 = r;
    }
    // 1000d cmp ebx, 0x40000
    {
     fs = 262144;
     fa = r3;
     fd = r3 - 262144 | 0;
     fo = 14;
    }
    // 10013 jne 0x10000
    if (!((fd | 0) == 0)) {
     $n = $n + -6 | 0;
     // 10000 mov eax, dword ptr [ebx]
     {
      if ((r3 & -4093) == ($g0_0 | 0)) {
       $b = i32[r3 + $o0_0 >> 2] | 0;
      } else {
       $s = i32[(r3 >>> 10 & 4194300) + 1048576 >> 2] | 0;
       if ((r3 & 3) < ($s & 1)) {
        $g0_0 = r3 & -4096;
        $o0_0 = $s - 1 | 0;
        $b = i32[r3 + $o0_0 >> 2] | 0;
       } else {
        $b = slow_load32(r3 | 0, 4) | 0;
        $g0_0 = 4;
        $g0_1 = 4;
        if (i32[192] | 0) break F;
       }
      }
      r0 = $b;
     }
     // 10002 add ecx, eax
     {
      r = r1 + r0 | 0;
      fs = r0;
      fd = r;
      fo = 6;
      r1 = r;
     }
     // 10004 inc dword ptr [ebx+0x4]
     {
      $m = r3 + 4 | 0;
      if (($m & -4093) == ($g0_1 | 0)) {
       $w = $o0_1 | 1;
       $u = i32[$m + $o0_1 >> 2] | 0;
      } else {
       $w = i32[($m >>> 10 & 4194300) + 5242880 >> 2] | 0;
       if (($m & 3) < ($w & 1)) {
        $g0_1 = $m & -4096;
        $o0_1 = $w - 1 | 0;
        $u = i32[$m + $o0_1 >> 2] | 0;
       } else {
        $u = slow_update32($m | 0, 5) | 0;
        $g0_0 = 4;
        $g0_1 = 4;
        if (i32[192] | 0) break F;
       }
      }
      r = $u + 1 | 0;
      if (($m & 3) < ($w & 1)) i32[$m + $w - 1 >> 2] = r; else {
       slow_store32($m | 0, r | 0, 5);
       $g0_0 = 4;
       $g0_1 = 4;
       if (i32[192] | 0) break F;
      }
     }
     // 10007 add ebx, 0x8
     {
      r = r3 + 8 | 0;
      r3 = r;
     }
     // 1000d cmp ebx, 0x40000
     {
      fs = 262144;
      fa = r3;
      fd = r3 - 262144 | 0;
      fo = 14;
     }
     // 10013 jne 0x10000
     if (!((fd | 0) == 0)) {
      $n = $n + -6 | 0;
      // 10000 mov eax, dword ptr [ebx]
      {
       if ((r3 & -4093) == ($g0_0 | 0)) {
        $b = i32[r3 + $o0_0 >> 2] | 0;
       } else {
        $s = i32[(r3 >>> 10 & 4194300) + 1048576 >> 2] | 0;
        if ((r3 & 3) < ($s & 1)) {
         $g0_0 = r3 & -4096;
         $o0_0 = $s - 1 | 0;
         $b = i32[r3 + $o0_0 >> 2] | 0;
        } else {
         $b = slow_load32(r3 | 0, 6) | 0;
         $g0_0 = 4;
         $g0_1 = 4;
         if (i32[192] | 0) break F;
        }
       }
       r0 = $b;
      }
      // 10002 add ecx, eax
      {
       r = r1 + r0 | 0;
       fs = r0;
       fd = r;
       fo = 6;
       r1 = r;
      }
      // 10004 inc dword ptr [ebx+0x4]
      {
       $m = r3 + 4 | 0;
       if (($m & -4093) == ($g0_1 | 0)) {
        $w = $o0_1 | 1;
        $u = i32[$m + $o0_1 >> 2] | 0;
       } else {
        $w = i32[($m >>> 10 & 4194300) + 5242880 >> 2] | 0;
        if (($m & 3) < ($w & 1)) {
         $g0_1 = $m & -4096;
         $o0_1 = $w - 1 | 0;
         $u = i32[$m + $o0_1 >> 2] | 0;
        } else {
         $u = slow_update32($m | 0, 7) | 0;
         $g0_0 = 4;
         $g0_1 = 4;
         if (i32[192] | 0) break F;
        }
       }
       r = $u + 1 | 0;
       if (($m & 3) < ($w & 1)) i32[$m + $w - 1 >> 2] = r; else {
        slow_store32($m | 0, r | 0, 7);
        $g0_0 = 4;
        $g0_1 = 4;
        if (i32[192] | 0) break F;
       }
      }
      // 10007 add ebx, 0x8
      {
       r = r3 + 8 | 0;
       r3 = r;
      }
      // 1000d cmp ebx, 0x40000
      {
       fs = 262144;
       fa = r3;
       fd = r3 - 262144 | 0;
       fo = 14;
      }
      // 10013 jne 0x10000
      if (!((fd | 0) == 0)) {
       continue L0;
      }
      $e = 65561;
      break X;
     }
     $e = 65561;
     break X;
    }
    $e = 65561;
    break X;
   }
   $e = 65561;
   break X;
  }
 }
 i32[0] = r0;
 i32[1] = r1;
 i32[3] = r3;
 i32[9] = fo;
 i32[10] = fd;
 i32[11] = fs;
 i32[12] = fx;
 i32[8] = $e;
 i32[14] = $n;
 return;
}
i32[0] = r0;
i32[1] = r1;
i32[3] = r3;
i32[9] = fo;
i32[10] = fd;
i32[11] = fs;
i32[12] = fx;
fault($n | 0) | 0;
}
return region_10000;
