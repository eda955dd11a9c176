let r0 = 0, r3 = 0, fo = 0, fd = 0, fs = 0, fx = 0, $t = 0, $d = 0, fp = 0, fr = 0, fa = 0, b0 = 0, b1 = 0, b2 = 0, b3 = 0, $e = 0, $l = 1, $n = i32[14], $q = $n - soft > 4 ? $n - soft : 4;
r0 = i32[0];
r3 = i32[3];
fo = i32[9];
fd = i32[10];
fs = i32[11];
fx = i32[12];
try {
 X: {
  $n = $n + -4 | 0;
  // 10000 add dword ptr [ebx], eax
  {
   const $m = r3;
   const $u = update32($m, 0);
   const r = $u + r0 | 0;
   (fp = 0, fs = r0, fd = r, fo = 6);
   store32($m, r, 0);
  }
  // 10002 inc word ptr [ebx+0x2]
  {
   const $m = r3 + 2 | 0;
   const $u = update16($m, 1);
   const r = $u + 1 & 65535;
   (fr = r, fp = 25);
   store16($m, r, 1);
  }
  // 10006 or byte ptr [ebx+0x5], 0x80
  {
   const $m = r3 + 5 | 0;
   const $u = update8($m, 2);
   const r = $u | 128;
   (fp = 0, fd = r, fo = 20);
   store8($m, r, 2);
  }
  // 1000a hlt
  if (fp !== 0) {
   if (fp === 1) {
    fd = arithmeticFlags(fo, fd, fs, fx) & -2050 | fr;
    fo = 0;
   } else {
    fx = carryFlag(fo, fd, fs, fx);
    fd = fr;
    fo = fp;
   }
   fp = 0;
  }
  i32[9] = fo;
  i32[10] = fd;
  i32[11] = fs;
  i32[12] = fx;
  i32[8] = 65546;
  i32[14] = $n + 1 | 0;
  $l = 0;
  op(0);
  i32[14] = $n;
  return;
 }
} catch (error) {
 if ($l) {
  if (fp !== 0) {
   if (fp === 1) {
    fd = arithmeticFlags(fo, fd, fs, fx) & -2050 | fr;
    fo = 0;
   } else {
    fx = carryFlag(fo, fd, fs, fx);
    fd = fr;
    fo = fp;
   }
   fp = 0;
  }
  i32[9] = fo;
  i32[10] = fd;
  i32[11] = fs;
  i32[12] = fx;
  fault($n);
 }
 throw error;
}
if (fp !== 0) {
 if (fp === 1) {
  fd = arithmeticFlags(fo, fd, fs, fx) & -2050 | fr;
  fo = 0;
 } else {
  fx = carryFlag(fo, fd, fs, fx);
  fd = fr;
  fo = fp;
 }
 fp = 0;
}
i32[9] = fo;
i32[10] = fd;
i32[11] = fs;
i32[12] = fx;
i32[8] = $e;
i32[14] = $n;
