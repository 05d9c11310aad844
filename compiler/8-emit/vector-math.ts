/** exp, tanh, erf and friends on four lanes, in the prelude of every module. */
export const vectorMath = `/** e^x, four lanes. Relative error ≤ 2e-7 on −87…88; 0 below, large but finite above. Cephes' expf: 2^n · p(r), |r| ≤ ln2/2. */
function exp4(x: v128): v128 {
  const c = f32x4.max(f32x4.min(x, f32x4.splat(88.3762)), f32x4.splat(-87.3365));
  const n = f32x4.floor(madd(c, f32x4.splat(1.44269504), f32x4.splat(0.5)));
  const r = nmadd(n, f32x4.splat(-2.12194440e-4), nmadd(n, f32x4.splat(0.693359375), c));
  let p = f32x4.splat(1.9875691500e-4);
  p = madd(p, r, f32x4.splat(1.3981999507e-3));
  p = madd(p, r, f32x4.splat(8.3334519073e-3));
  p = madd(p, r, f32x4.splat(4.1665795894e-2));
  p = madd(p, r, f32x4.splat(1.6666665459e-1));
  p = madd(p, r, f32x4.splat(5.0000001201e-1));
  const y = f32x4.add(madd(p, f32x4.mul(r, r), r), ONE);
  return f32x4.mul(y, i32x4.shl(i32x4.add(i32x4.trunc_sat_f32x4_s(n), i32x4.splat(127)), 23));
}
`;
