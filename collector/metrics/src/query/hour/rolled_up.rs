//! What the rollups of a day hold of a host is folded into its points, hour by hour.

use super::{Context, HostRun, Slots, dictionary_of};
use crate::{
    blocks::DAY_MS,
    error::QueryError,
    head::HOUR_MS,
    query::{Aggregate, wanted::Wanted},
    rollups::{
        Tier,
        load::{DayRow, HostDay},
    },
};
use tocsin_vocabulary::Hash;

/// An hour that is taken from rollups.
struct Heard {
    /// Its number in its day.
    number: u32,
    start: i64,
    /// Longest interval that is no gap there.
    longest: i64,
}

impl HostRun {
    /// Takes the next hours from their rollups.
    pub(in crate::query) fn add_rollups(
        &mut self,
        context: &Context<'_>,
        wanted: &mut Wanted<'_>,
        day: &HostDay,
        (tier, hours): (Tier, &[i64]),
    ) -> Result<(), QueryError> {
        let mut heard: Vec<Heard> = Vec::with_capacity(hours.len());
        // Both are in order, and each of these hours has a clock.
        let mut clocks = day.clocks();
        for &start in hours {
            let number = u32::try_from(start.rem_euclid(DAY_MS) / HOUR_MS).unwrap_or(0);
            let clock = clocks.find(|(hour, _)| *hour == number).map(|(_, clock)| clock);
            if let Some(clock) = clock.filter(|clock| clock.last >= context.begin) {
                let longest = self.observed.add(clock);
                heard.push(Heard { number, start, longest });
            }
        }
        let mut rows: Vec<(usize, u8, DayRow<'_>)> = Vec::new();
        let mut known: Option<(Hash, Slots)> = None;
        for row in day.rows() {
            if !heard.iter().any(|hour| row.has(hour.number)) {
                continue;
            }
            let (hash, index) = row.series();
            if known.as_ref().is_none_or(|(known, _)| *known != hash) {
                let met = self.slots.get(&hash).cloned();
                let slots = met.or_else(|| {
                    let dictionary = dictionary_of(context.shared, hash)?;
                    Some(self.slots(context, wanted, &dictionary))
                });
                known = slots.map(|slots| (hash, slots));
            }
            let Some((_, slots)) = &known else { continue };
            if let Ok(at) = slots.binary_search_by_key(&index, |(index, ..)| *index) {
                let (_, slot, decimals) = slots[at];
                rows.push((slot, decimals, row));
            }
        }
        rows.sort_by_key(|(slot, ..)| *slot);
        for of_slot in rows.chunk_by(|one, two| one.0 == two.0) {
            self.add_rows(context, tier, &heard, of_slot)?;
        }
        Ok(())
    }

    /// Takes the rows of one series, hour by hour.
    fn add_rows(
        &mut self,
        context: &Context<'_>,
        tier: Tier,
        heard: &[Heard],
        rows: &[(usize, u8, DayRow<'_>)],
    ) -> Result<(), QueryError> {
        let Some((slot, _, first)) = rows.first() else {
            return Ok(());
        };
        let Some(fold) = self.folds.get_mut(*slot) else {
            return Ok(());
        };
        let from = context.query.from.as_millis();
        let rate = context.query.aggregate_for(first.kind()) == Aggregate::Rate;
        let mut outcome = Ok(());
        let mut buckets = 0;
        for hour in heard {
            let of_hour = rows.iter().filter(|(.., row)| row.has(hour.number));
            // Where the dictionary changed within the hour, several rows speak for it.
            let alone = rows.len() == 1 || of_hour.clone().count() == 1;
            let width = alone.then_some(tier.millis());
            for (_, decimals, row) in of_hour {
                buckets += tier.per_hour();
                row.for_each(tier, (hour.number, hour.start), *decimals, |start, bucket| {
                    if start > context.end || outcome.is_err() {
                    } else if start + tier.millis() > from {
                        outcome = fold.add_bucket((start, width), bucket, hour.longest);
                    } else if rate && bucket.last_at >= context.begin {
                        fold.seed(bucket.last_at, bucket.last);
                    }
                });
            }
        }
        context.read(buckets)?;
        outcome
    }
}
