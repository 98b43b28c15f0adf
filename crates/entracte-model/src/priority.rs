//! Priority and fairness: in which order the attempts at activities leave a queue.

use serde::{Deserialize, Serialize};

/// How urgent an attempt is while it waits in its queue: a more urgent one always goes first
/// (rule PRI-1). Temporal's numbers, which are part of the stored format.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(try_from = "u8", into = "u8")]
#[repr(u8)]
pub enum Priority {
    /// Before all others.
    Highest = 1,
    /// Before what is normal.
    High = 2,
    /// The default.
    #[default]
    Normal = 3,
    /// After what is normal.
    Low = 4,
    /// After all others.
    Lowest = 5,
}

impl Priority {
    /// All priorities, the most urgent one first.
    pub const ALL: [Self; 5] = [Self::Highest, Self::High, Self::Normal, Self::Low, Self::Lowest];

    /// The priority's number, from 1, the most urgent, to 5.
    #[must_use]
    pub const fn get(self) -> u8 {
        self as u8
    }
}

/// A number is no priority: those are 1 to 5.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{0} is no priority: it must be 1, the highest, to 5")]
pub struct UnknownPriority(pub u8);

impl TryFrom<u8> for Priority {
    type Error = UnknownPriority;
    fn try_from(number: u8) -> Result<Self, UnknownPriority> {
        Self::ALL.into_iter().find(|it| it.get() == number).ok_or(UnknownPriority(number))
    }
}

impl From<Priority> for u8 {
    fn from(priority: Priority) -> Self {
        priority.get()
    }
}

/// Where an activity's attempts stand in their queue, as far as it was said: what is not set is
/// inherited from the workflow that schedules them (rules PRI-1 and PRI-2).
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct PriorityOptions {
    /// How urgent they are. Default [`Priority::Normal`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub priority: Option<Priority>,
    /// With whom they share what their priority gets of the queue: a tenant, for instance. At
    /// most 64 bytes. Default empty, a key like any other.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fairness_key: Option<Box<str>>,
    /// How much of it the key gets, in proportion to the other keys that wait. Default 1.0; what
    /// is below 0.001 or above 1,000 counts as that.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fairness_weight: Option<f32>,
}

/// Says what is wrong with a fairness key or weight.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum PriorityError {
    /// The fairness key is too long.
    #[error("a fairness key of {bytes} bytes is too long: {limit} are allowed")]
    FairnessKeyTooLong {
        /// How long it is.
        bytes: usize,
        /// How long it may be.
        limit: usize,
    },
    /// The fairness weight is not a number above zero.
    #[error("a fairness weight of {weight} is not a finite number above zero")]
    FairnessWeight {
        /// The weight.
        weight: f32,
    },
}

impl PriorityOptions {
    /// The longest fairness key, in bytes.
    pub const FAIRNESS_KEY_BYTES_MAX: usize = 64;
    /// The smallest fairness weight.
    pub const FAIRNESS_WEIGHT_MIN: f32 = 0.001;
    /// The largest fairness weight.
    pub const FAIRNESS_WEIGHT_MAX: f32 = 1_000.0;

    /// Whether nothing is set.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Fills in what is not set.
    #[must_use]
    pub fn or(&self, inherited: &Self) -> Self {
        Self {
            priority: self.priority.or(inherited.priority),
            fairness_key: self.fairness_key.clone().or_else(|| inherited.fairness_key.clone()),
            fairness_weight: self.fairness_weight.or(inherited.fairness_weight),
        }
    }

    /// The priority in force, if nothing more is inherited.
    #[must_use]
    pub fn priority(&self) -> Priority {
        self.priority.unwrap_or_default()
    }

    /// The fairness key in force, if nothing more is inherited.
    #[must_use]
    pub fn fairness_key(&self) -> &str {
        self.fairness_key.as_deref().unwrap_or_default()
    }

    /// The fairness weight in force, if nothing more is inherited (rule PRI-2).
    #[must_use]
    pub fn fairness_weight(&self) -> f32 {
        let weight = self.fairness_weight.unwrap_or(1.0);
        weight.clamp(Self::FAIRNESS_WEIGHT_MIN, Self::FAIRNESS_WEIGHT_MAX)
    }

    /// Checks the key and the weight.
    ///
    /// # Errors
    /// [`PriorityError`] says what is wrong.
    pub fn validate(&self) -> Result<(), PriorityError> {
        let (bytes, limit) = (self.fairness_key().len(), Self::FAIRNESS_KEY_BYTES_MAX);
        if bytes > limit {
            return Err(PriorityError::FairnessKeyTooLong { bytes, limit });
        }
        match self.fairness_weight {
            Some(weight) if !weight.is_finite() || weight <= 0.0 => {
                Err(PriorityError::FairnessWeight { weight })
            }
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pri_1_priorities_are_numbers_from_one_to_five() {
        for priority in Priority::ALL {
            assert_eq!(Priority::try_from(priority.get()), Ok(priority));
        }
        assert_eq!(Priority::try_from(0), Err(UnknownPriority(0)));
        assert_eq!(Priority::try_from(6), Err(UnknownPriority(6)));
        assert!(Priority::Highest < Priority::Lowest);
    }

    #[test]
    fn pri_1_what_is_not_set_is_inherited_one_by_one() {
        let own = PriorityOptions { priority: Some(Priority::Low), ..PriorityOptions::default() };
        let of_workflow = PriorityOptions {
            priority: Some(Priority::High),
            fairness_key: Some("tenant".into()),
            fairness_weight: Some(2.0),
        };
        let in_force = own.or(&of_workflow);
        assert_eq!(in_force.priority(), Priority::Low);
        assert_eq!(in_force.fairness_key(), "tenant");
        assert_eq!(in_force.fairness_weight(), 2.0);
        let nothing = PriorityOptions::default();
        assert_eq!(nothing.or(&nothing).priority(), Priority::Normal);
        assert_eq!(nothing.fairness_key(), "");
        assert_eq!(nothing.fairness_weight(), 1.0);
    }

    #[test]
    fn pri_2_weights_are_clamped_and_nonsense_is_refused() {
        let weighing = |weight| PriorityOptions {
            fairness_weight: Some(weight),
            ..PriorityOptions::default()
        };
        for (weight, clamped) in [(1e-9, 0.001), (0.5, 0.5), (1e9, 1_000.0)] {
            assert_eq!(weighing(weight).validate(), Ok(()));
            assert_eq!(weighing(weight).fairness_weight(), clamped);
        }
        for weight in [0.0, -1.0, f32::NAN, f32::INFINITY] {
            assert!(weighing(weight).validate().is_err(), "{weight}");
        }
        let keyed = |bytes| PriorityOptions {
            fairness_key: Some("k".repeat(bytes).into()),
            ..PriorityOptions::default()
        };
        assert_eq!(keyed(64).validate(), Ok(()));
        let error = PriorityError::FairnessKeyTooLong { bytes: 65, limit: 64 };
        assert_eq!(keyed(65).validate(), Err(error));
    }
}
