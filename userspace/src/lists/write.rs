//! The writes of a change, done.

use sipward_engine::lists::{Declaration, MapWrites};
use sipward_kernel::{Result, Tables};
use xdp_prog::abi::{UNSAVED, kind};

/// On an error, some are done.
pub(super) fn write(tables: &mut Tables, writes: &MapWrites) -> Result<()> {
    let MapWrites { addresses, declarations, prefixes, removed_prefixes, shadowed, removed_addresses } =
        writes;
    tables.sources()?.put_all(addresses.iter().copied())?;
    let mut declared = tables.declarations()?;
    for (net, declaration) in declarations {
        match declaration {
            Some(Declaration { list_entry, unsaved }) => {
                declared.put(*net, *list_entry, if *unsaved { UNSAVED } else { 0 })?;
            }
            None => drop(declared.remove(*net)?),
        }
    }
    let mut trie = tables.prefixes()?;
    for (net, entry) in prefixes {
        trie.put(*net, *entry)?;
    }
    for net in removed_prefixes {
        trie.remove(*net)?;
    }
    let mut sources = tables.sources()?;
    sources.put_all(shadowed.iter().copied())?;
    for address in removed_addresses {
        // A change that is undone may not have come so far as to take the place of a known source.
        if sources.get(*address)?.is_some_and(|entry| entry.kind != kind::KNOWN) {
            sources.remove(*address)?;
        }
    }
    Ok(())
}
