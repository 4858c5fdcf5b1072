//! Accounts by the marks that tokens have of them: a phone is let go on by its account, whatever its request calls it.

use std::collections::HashMap;

use crate::{
    account::{Accounts, PreparedAccount},
    keys::{Keys, Purpose},
    token::AccountMark,
};

/// Several accounts may have one mark, which is short.
#[derive(Debug, Default)]
pub(super) struct MarkedAccounts(HashMap<AccountMark, Vec<String>>);

impl MarkedAccounts {
    pub(super) fn of(accounts: &Accounts, keys: &Keys) -> Self {
        let mut marked: HashMap<AccountMark, Vec<String>> = HashMap::new();
        for account in accounts.iter() {
            let name = account.name.as_str();
            for mark in keys.signatures(Purpose::Account, &[name.as_bytes()]) {
                marked.entry(mark).or_default().push(name.to_owned());
            }
        }
        Self(marked)
    }

    /// `says`: the name by which the phone goes. It decides between accounts that have the same mark, and nothing else.
    pub(super) fn get<'a>(
        &self,
        accounts: &'a Accounts,
        mark: AccountMark,
        says: &[u8],
    ) -> Option<&'a PreparedAccount> {
        let names = self.0.get(&mark)?;
        let name = match &names[..] {
            [name] => name,
            names => names.iter().find(|name| name.as_bytes() == says)?,
        };
        accounts.get(name.as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        account::{Account, AccountName, Password, Secret},
        digest::Realm,
    };

    #[test]
    fn an_account_is_found_by_its_mark_under_either_key_and_not_after_it_was_deleted() {
        let names = |names: &[&str]| {
            let secret = || Secret::Password(Password::new("correct horse").unwrap());
            let accounts = names.iter().map(|name| Account::new(AccountName::new(name).unwrap(), secret()));
            Accounts::new(accounts, &Realm::new("pbx").unwrap(), &[]).unwrap()
        };
        let (before, now) = (Keys::new([1; 32], None), Keys::new([2; 32], Some([1; 32])));
        let mark = |name: &str| before.sign(Purpose::Account, &[name.as_bytes()]);
        let accounts = names(&["201", "202"]);
        let marked = MarkedAccounts::of(&accounts, &now);
        let found = |name: &str| {
            let found = marked.get(&accounts, mark(name), b"somebody else");
            found.map(|found| found.account().name.as_str().to_owned())
        };
        assert_eq!(found("202").as_deref(), Some("202"));
        assert_eq!(found("203"), None);
        assert_eq!(found(""), None);
        let accounts = names(&["201"]);
        assert!(MarkedAccounts::of(&accounts, &now).get(&accounts, mark("202"), b"202").is_none());
    }
}
