let r0 = 0, r3 = 0, r4 = 0, fo = 0, fd = 0, fs = 0, fx = 0, $t = 0, $d = 0, fp = 0, fr = 0, fa = 0, b0 = 0, b1 = 0, b2 = 0, b3 = 0, $e = 0, $l = 1, $n = i32[14], $q = $n - soft > 7 ? $n - soft : 7;
r0 = i32[0];
r3 = i32[3];
r4 = i32[4];
fo = i32[9];
fd = i32[10];
fs = i32[11];
fx = i32[12];
try {
 X: {
  $n = $n + -1 | 0;
  // 10000 call 0x10006
  {
   const p = r4 - 4 | 0;
   store32(p, 65541, 0);
   r4 = p;
  }
  $n = $n + -5 | 0;
  // 10006 push ebx
  {
   const $p = r3;
   const p = r4 - 4 | 0;
   store32(p, $p, 1);
   r4 = p;
  }
  // 10007 mov ebx, 0x1
  {
   r3 = 1;
  }
  // 1000c add eax, ebx
  {
   const r = r0 + r3 | 0;
   (fp = 0, fs = r3, fd = r, fo = 6);
   r0 = r;
  }
  // 1000e pop ebx
  {
   const p = r4;
   const value = load32(p, 2);
   r4 = p + 4 | 0;
   r3 = value;
  }
  // 1000f ret
  {
   const p = r4;
   const target = load32(p, 3);
   r4 = p + 4 | 0;
   $t = target | 0;
  }
  if ($t === 65541) {
   $n = $n + -1 | 0;
   // 10005 hlt
   i32[0] = r0;
   i32[3] = r3;
   i32[4] = r4;
   i32[9] = fo;
   i32[10] = fd;
   i32[11] = fs;
   i32[12] = fx;
   i32[8] = 65541;
   i32[14] = $n + 1 | 0;
   $l = 0;
   op(0);
   i32[14] = $n;
   return;
  }
  $e = $t;
  break X;
 }
} catch (error) {
 if ($l) {
  i32[0] = r0;
  i32[3] = r3;
  i32[4] = r4;
  i32[9] = fo;
  i32[10] = fd;
  i32[11] = fs;
  i32[12] = fx;
  fault($n);
 }
 throw error;
}
i32[0] = r0;
i32[3] = r3;
i32[4] = r4;
i32[9] = fo;
i32[10] = fd;
i32[11] = fs;
i32[12] = fx;
i32[8] = $e;
i32[14] = $n;
