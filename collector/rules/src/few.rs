//! A list that is empty nearly always, and as small as a pointer then.

use std::ops::{Deref, DerefMut};

/// As a `Vec`, but eight bytes while it is empty; it lets go of its memory when it becomes empty again.
#[derive(Debug, Clone, PartialEq)]
#[allow(clippy::box_collection)] // one word in place of three is what it is for
pub(crate) struct Few<T>(Option<Box<Vec<T>>>);

impl<T> Few<T> {
    pub(crate) const fn new() -> Self {
        Self(None)
    }

    /// Whether there is nothing in it.
    pub(crate) const fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    /// Changes the list as a whole.
    pub(crate) fn change<R>(&mut self, change: impl FnOnce(&mut Vec<T>) -> R) -> R {
        let list = self.0.get_or_insert_default();
        let answer = change(list);
        if list.is_empty() {
            self.0 = None;
        }
        answer
    }

    pub(crate) fn push(&mut self, one: T) {
        self.change(|list| list.push(one));
    }

    pub(crate) fn swap_remove(&mut self, at: usize) -> T {
        self.change(|list| list.swap_remove(at))
    }

    /// Keeps those alone of which `keep` says so.
    pub(crate) fn retain_mut(&mut self, keep: impl FnMut(&mut T) -> bool) {
        if !self.is_empty() {
            self.change(|list| list.retain_mut(keep));
        }
    }
}

impl<T> Default for Few<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> Deref for Few<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        self.0.as_ref().map_or(&[], |list| list)
    }
}

impl<T> DerefMut for Few<T> {
    fn deref_mut(&mut self) -> &mut [T] {
        self.0.as_mut().map_or(&mut [], |list| list)
    }
}

impl<T> IntoIterator for Few<T> {
    type Item = T;
    type IntoIter = std::vec::IntoIter<T>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.map(|list| *list).unwrap_or_default().into_iter()
    }
}

impl<T> FromIterator<T> for Few<T> {
    fn from_iter<I: IntoIterator<Item = T>>(all: I) -> Self {
        let mut few = Self::new();
        few.change(|list| list.extend(all));
        few
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_one_takes_a_pointer_and_a_list_that_becomes_empty_is_let_go_of() {
        assert_eq!(size_of::<Few<String>>(), size_of::<usize>());
        let mut few: Few<u8> = [1, 2].into_iter().collect();
        few.retain_mut(|one| *one == 2);
        assert_eq!(&*few, [2]);
        assert_eq!(few.swap_remove(0), 2);
        assert!(few.is_empty() && few.0.is_none());
    }
}
