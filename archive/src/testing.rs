//! Internal doors for fuzz targets. Not for products.

/// Reads any bytes as an object of the catalog, and as its body; must not panic.
pub fn catalog(bytes: &[u8]) {
    crate::catalog::fuzz(bytes);
}

/// Reads any bytes as a manifest of an exported day; must not panic.
pub fn export_manifest(bytes: &[u8]) {
    crate::export::fuzz(bytes);
}
