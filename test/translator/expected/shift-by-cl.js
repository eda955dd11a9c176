let r0 = 0, r1 = 0, fo = 0, fd = 0, fs = 0, fx = 0, $t = 0, $d = 0, fp = 0, fr = 0, fa = 0, b0 = 0, b1 = 0, b2 = 0, b3 = 0, $e = 0, $l = 1, $n = i32[14], $q = $n - soft > 3 ? $n - soft : 3;
r0 = i32[0];
r1 = i32[1];
fo = i32[9];
fd = i32[10];
fs = i32[11];
fx = i32[12];
try {
 X: {
  $n = $n + -3 | 0;
  // 10000 shl eax, cl
  {
   const $b = r1 & 255;
   const n = $b & 31;
   const r = r0 << n;
   if (n !== 0) {}
   r0 = r;
  }
  // 10002 shr al, 0x3
  {
   const $p = r0 & 255;
   const r = $p >>> 3 & 255;
   (fp = 0, fs = $p >>> 2, fd = r, fo = 36);
   (b0 = r, r0 = r0 & -256 | b0);
  }
  // 10005 hlt
  i32[0] = r0;
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
} catch (error) {
 if ($l) {
  i32[0] = r0;
  i32[9] = fo;
  i32[10] = fd;
  i32[11] = fs;
  i32[12] = fx;
  fault($n);
 }
 throw error;
}
i32[0] = r0;
i32[9] = fo;
i32[10] = fd;
i32[11] = fs;
i32[12] = fx;
i32[8] = $e;
i32[14] = $n;
