let r0 = 0, r1 = 0, r2 = 0, r3 = 0, fo = 0, fd = 0, fs = 0, fx = 0, $t = 0, $d = 0, fp = 0, fr = 0, fa = 0, b0 = 0, b1 = 0, b2 = 0, b3 = 0, $e = 0, $l = 1, $n = i32[14], $q = $n - soft > 5 ? $n - soft : 5;
r0 = i32[0];
r1 = i32[1];
r2 = i32[2];
r3 = i32[3];
fo = i32[9];
fd = i32[10];
fs = i32[11];
fx = i32[12];
try {
 X: {
  $n = $n + -5 | 0;
  // 10000 add eax, 0x1
  {
   const r = r0 + 1 | 0;
   r0 = r;
  }
  // 10006 add ebx, 0x2
  {
   const r = r3 + 2 | 0;
   r3 = r;
  }
  // 1000c inc ecx
  {
   const r = r1 + 1 | 0;
   r1 = r;
  }
  // 1000d add edx, eax
  {
   const r = r2 + r0 | 0;
   (fp = 0, fs = r0, fd = r, fo = 6);
   r2 = r;
  }
  // 1000f jmp 0x1000f
  {}
  L1: for (; ; ) {
   if ($n < $q) {
    $e = 65551;
    break X;
   }
   $n = $n + -1 | 0;
   // 1000f jmp 0x1000f
   {}
   continue L1;
  }
 }
} catch (error) {
 if ($l) {
  i32[0] = r0;
  i32[1] = r1;
  i32[2] = r2;
  i32[3] = r3;
  i32[9] = fo;
  i32[10] = fd;
  i32[11] = fs;
  i32[12] = fx;
  fault($n);
 }
 throw error;
}
i32[0] = r0;
i32[1] = r1;
i32[2] = r2;
i32[3] = r3;
i32[9] = fo;
i32[10] = fd;
i32[11] = fs;
i32[12] = fx;
i32[8] = $e;
i32[14] = $n;
