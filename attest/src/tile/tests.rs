use proptest::prelude::*;

use super::*;

#[test]
fn paths_are_those_of_c2sp() {
    for (path, tile) in [
        ("tile/0/000", Tile::hashes(0, 0)),
        ("tile/0/999", Tile::hashes(0, 999)),
        ("tile/1/x001/x234/067", Tile::hashes(1, 1_234_067)),
        ("tile/entries/x001/000.p/255", Tile::bundle(1000).cut(255)),
        ("tile/2/000.p/1", Tile::hashes(2, 0).cut(1)),
    ] {
        assert_eq!(tile.to_string(), path);
        assert_eq!(Tile::parse(path), Some(tile));
    }
}

#[test]
fn every_other_path_is_refused() {
    for path in [
        "",
        "tile",
        "tile/0",
        "tile/0/",
        "tile/0/0",
        "tile/0/00",
        "tile/0/0000",
        "tile/00/000",
        "tile/8/000",
        "tile/64/000",
        "tile/-1/000",
        "tile/data/000",
        "tile/0/000.p/0",
        "tile/0/000.p/256",
        "tile/0/000.p/01",
        "tile/0/000.p/",
        "tile/0/000.p/1/2",
        "tile/0/x000/000",
        "tile/0/x001",
        "tile/0/x001/x000",
        "tile/0/001/000",
        "tile/0/x001/000/",
        "tile/0//000",
        "tile/0/../000",
        "/tile/0/000",
        "tile/entries/../../wal/0",
        "tile/0/x999/x999/x999/x999/x999/x999/x999/999",
    ] {
        assert_eq!(Tile::parse(path), None, "{path}");
    }
}

#[test]
fn a_tree_of_70000_has_the_published_tiles() {
    let mut counts = std::collections::BTreeMap::new();
    let mut partial = Vec::new();
    for tile in Tile::all(70_000) {
        if tile.is_full() {
            *counts.entry(tile.level).or_insert(0) += 1;
        } else {
            partial.push((tile.level, tile.width));
        }
        assert!(tile.needs_size() <= 70_000);
        assert!(
            tile.cut(tile.width + u16::from(!tile.is_full())).needs_size() > 70_000
                || tile.is_full()
        );
    }
    assert_eq!(counts, [(None, 273), (Some(0), 273), (Some(1), 1)].into());
    assert_eq!(partial, [(Some(0), 112), (Some(1), 17), (Some(2), 1), (None, 112)]);
}

proptest! {
    #[test]
    fn tiles_round_trip(level in prop::option::of(0_u8..8), index in 0_u64..1 << 54, width in 1_u16..=256) {
        let tile = Tile { level, index, width };
        prop_assert_eq!(Tile::parse(&tile.to_string()), Some(tile));
    }

    #[test]
    fn no_path_panics(path in "tile/[0-9x/.p]{0,40}|\\PC{0,60}") {
        if let Some(tile) = Tile::parse(&path) {
            prop_assert_eq!(tile.to_string(), path);
        }
    }

    #[test]
    fn bundles_round_trip(entries in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..40), 0..20), cut in 0_usize..100) {
        let mut bytes = Vec::new();
        for entry in &entries {
            prop_assert!(push_entry(&mut bytes, entry));
        }
        let read: Option<Vec<Vec<u8>>> = Entries(&bytes).map(|e| e.map(<[u8]>::to_vec)).collect();
        prop_assert_eq!(read, Some(entries));
        // Cut anywhere, the last entry is missing or told to be broken.
        let short = bytes.get(..bytes.len().saturating_sub(cut)).unwrap_or_default();
        let good = Entries(short).take_while(Option::is_some).count();
        prop_assert!(Entries(short).count() <= good + 1);
    }
}
