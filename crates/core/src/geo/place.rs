//! A place on the ground.

/// A place, in degrees.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Place {
    latitude: f32,
    longitude: f32,
}

impl Place {
    /// A place; none where the numbers are no degrees.
    pub fn of(latitude: f64, longitude: f64) -> Option<Self> {
        let is_one = (-90.0..=90.0).contains(&latitude) && (-180.0..=180.0).contains(&longitude);
        #[expect(clippy::cast_possible_truncation, reason = "a few meters")]
        is_one.then_some(Self { latitude: latitude as f32, longitude: longitude as f32 })
    }

    /// On a ball of radius 1: the nearer of two in a straight line is the nearer one on the ground, too.
    pub fn point(self) -> [f32; 3] {
        let (latitude, longitude) = (self.latitude.to_radians(), self.longitude.to_radians());
        [latitude.cos() * longitude.cos(), latitude.cos() * longitude.sin(), latitude.sin()]
    }

    /// The point as one number, for whoever chooses by a key: to some 6 m.
    pub fn key(self) -> u64 {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0 to 2^21 - 1")]
        let part = |at: f32| ((at + 1.0) / 2.0 * PARTS).round().clamp(0.0, PARTS) as u64;
        self.point().iter().fold(0, |key, at| key << BITS | part(*at))
    }

    /// The point of such a number.
    pub fn point_of(key: u64) -> [f32; 3] {
        let part = |shift: u32| {
            let part = u32::try_from(key >> shift & ((1 << BITS) - 1)).unwrap_or(0);
            #[expect(clippy::cast_precision_loss, reason = "21 bits")]
            let part = part as f32;
            part / PARTS * 2.0 - 1.0
        };
        [part(2 * BITS), part(BITS), part(0)]
    }
}

/// Bits of a coordinate in a number, and the highest part that they tell.
const BITS: u32 = 21;
const PARTS: f32 = 2_097_151.0;

#[cfg(test)]
mod tests {
    use super::*;

    fn apart(one: (f64, f64), other: (f64, f64)) -> f32 {
        let (one, other) = (Place::of(one.0, one.1).unwrap().point(), Place::of(other.0, other.1).unwrap().point());
        one.iter().zip(&other).map(|(one, other)| (one - other) * (one - other)).sum::<f32>().sqrt()
    }

    #[test]
    fn what_is_near_on_the_ground_is_near() {
        let (berlin, paris, auckland, fiji) = ((52.5, 13.4), (48.9, 2.4), (-36.8, 174.8), (-17.7, -178.8));
        assert!(apart(berlin, paris) < apart(berlin, fiji));
        assert!(apart(auckland, fiji) < 0.4, "across the date line");
        assert!((apart((90.0, 0.0), (-90.0, 0.0)) - 2.0).abs() < 1e-6);
    }

    #[test]
    fn a_place_is_one_number_and_back() {
        for (latitude, longitude) in [(-36.8, 174.8), (90.0, 0.0), (-90.0, 180.0), (0.0, -180.0)] {
            let place = Place::of(latitude, longitude).unwrap();
            let (point, back) = (place.point(), Place::point_of(place.key()));
            assert!(point.iter().zip(&back).all(|(one, other)| (one - other).abs() < 2e-6), "{point:?} {back:?}");
        }
        let nowhere = [(91.0, 0.0), (0.0, 181.0), (f64::NAN, 0.0)];
        assert!(nowhere.iter().all(|(latitude, longitude)| Place::of(*latitude, *longitude).is_none()));
    }
}
