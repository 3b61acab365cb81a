//! Inputs of fuzz targets for files whose parts begin at pages: short, without the padding.

/// The pieces of `bytes` that begin with one of the magics; what stands before the first is one too,
/// unless it is empty.
pub(crate) fn pieces<'a>(bytes: &'a [u8], magics: &[&[u8]]) -> Vec<&'a [u8]> {
    let begins = |at: &usize| {
        let rest = bytes.get(*at..).unwrap_or_default();
        *at == 0 || magics.iter().any(|magic| rest.starts_with(magic))
    };
    let starts: Vec<usize> = (0..bytes.len()).filter(begins).collect();
    let ends = starts.iter().skip(1).copied().chain([bytes.len()]);
    starts.iter().zip(ends).filter_map(|(start, end)| bytes.get(*start..end)).collect()
}

/// Puts `value` at `at`, if there is room.
pub(crate) fn put(bytes: &mut [u8], at: usize, value: &[u8]) {
    if let Some(place) = bytes.get_mut(at..).and_then(|rest| rest.get_mut(..value.len())) {
        place.copy_from_slice(value);
    }
}

/// The number at `at`, 0 where the bytes end before it does.
pub(crate) fn number_at<const N: usize>(bytes: &[u8], at: usize) -> u64 {
    let mut number = [0; 8];
    for (to, from) in number.iter_mut().zip(bytes.iter().skip(at).take(N)) {
        *to = *from;
    }
    u64::from_le_bytes(number)
}
