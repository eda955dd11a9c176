let r0 = 0, r2 = 0, r3 = 0, fo = 0, fd = 0, fs = 0, fx = 0, $t = 0, $d = 0, fp = 0, fr = 0, fa = 0, b0 = 0, b1 = 0, b2 = 0, b3 = 0, $e = 0, $l = 1, $n = i32[14], $q = $n - soft > 6 ? $n - soft : 6;
r0 = i32[0];
r2 = i32[2];
r3 = i32[3];
fo = i32[9];
fd = i32[10];
fs = i32[11];
fx = i32[12];
try {
 X: {
  $n = $n + -4 | 0;
  // 10000 add eax, 0x1
  {
   const r = r0 + 1 | 0;
   (fp = 0, fs = 1, fd = r, fo = 6);
   r0 = r;
  }
  // 10006 adc ebx, 0x0
  {
   const carry = fd >>> 0 < fs >>> 0 ? 1 : 0;
   const r = r3 + carry | 0;
   r3 = r;
  }
  // 10009 cmp edx, 0x5
  {
   (fs = 5, fa = r2, fd = r2 - 5 | 0, fo = 14);
  }
  // 1000f jl 0x10016
  if ((fa | 0) < (fs | 0)) {
   $n = $n + -2 | 0;
   // 10016 sete al
   {
    (b0 = fd === 0 ? 1 : 0, r0 = r0 & -256 | b0);
   }
   // 10019 hlt
   i32[0] = r0;
   i32[3] = r3;
   i32[9] = fo;
   i32[10] = fd;
   i32[11] = fs;
   i32[12] = fx;
   i32[8] = 65561;
   i32[14] = $n + 1 | 0;
   $l = 0;
   op(0);
   i32[14] = $n;
   return;
  }
  $e = 65557;
  break X;
 }
} catch (error) {
 if ($l) {
  i32[0] = r0;
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
i32[3] = r3;
i32[9] = fo;
i32[10] = fd;
i32[11] = fs;
i32[12] = fx;
i32[8] = $e;
i32[14] = $n;
