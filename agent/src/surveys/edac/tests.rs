//! Controllers with modules, with rows, with errors.

use super::*;
use crate::surveys::stand::{Stand, assert_values, status, verdict};

const MC: &str = "sys/devices/system/edac/mc";

fn with_modules() -> Stand {
    Stand::new(&[
        (&format!("{MC}/mc0/ce_count"), "4"),
        (&format!("{MC}/mc0/ue_count"), "0"),
        (&format!("{MC}/mc0/mc_name"), "Skylake Socket#0"),
        (&format!("{MC}/mc0/dimm0/dimm_ce_count"), "4"),
        (&format!("{MC}/mc0/dimm0/dimm_ue_count"), "0"),
        (&format!("{MC}/mc0/dimm0/dimm_label"), "CPU_SrcID#0_MC#0_Chan#0_DIMM#0"),
        (&format!("{MC}/mc0/dimm0/size"), "32768"),
        (&format!("{MC}/mc0/dimm3/dimm_ce_count"), "0"),
        (&format!("{MC}/mc0/dimm3/dimm_ue_count"), "0"),
        (&format!("{MC}/mc0/csrow0/ch0_ce_count"), "4"),
        (&format!("{MC}/power/control"), "auto"),
    ])
}

#[test]
fn corrected_errors_of_before_are_no_fault_and_new_ones_are() {
    let stand = with_modules();
    let mut edac = Edac::default();
    let found = stand.look_at(&mut edac, 0);
    assert_values(
        &found,
        &[
            ("hw.errors{error.type=corrected,hw.id=mc0,hw.type=memory}", 4.0),
            ("hw.errors{error.type=corrected,hw.id=mc0/dimm0,hw.type=memory}", 4.0),
            ("hw.errors{error.type=uncorrected,hw.id=mc0/dimm3,hw.type=memory}", 0.0),
        ],
    );
    assert!(found.parts.iter().all(|part| part.status == PartStatus::Ok));
    assert_eq!(found.parts.len(), 3, "modules are not told twice");
    assert_eq!(found.parts[1].details["size_mib"], "32768");

    stand.write(&format!("{MC}/mc0/ce_count"), "5");
    stand.write(&format!("{MC}/mc0/dimm3/dimm_ce_count"), "1");
    let found = stand.look_at(&mut edac, 60);
    assert_eq!(status(&found, "memory", "mc0/dimm0"), Some(PartStatus::Ok));
    assert_eq!(
        verdict(&found, "memory", "mc0/dimm3"),
        Some((
            PartStatus::Degraded,
            "it had to correct errors within the last day".to_owned()
        ))
    );
    assert_eq!(status(&found, "memory", "mc0"), Some(PartStatus::Degraded));
    let found = stand.look_at(&mut edac, 60 + 86_400);
    assert_eq!(status(&found, "memory", "mc0/dimm3"), Some(PartStatus::Ok));
}

#[test]
fn an_error_that_was_not_corrected_is_a_failure_at_once() {
    let stand = with_modules();
    stand.write(&format!("{MC}/mc0/dimm0/dimm_ue_count"), "1");
    let found = stand.look_at(&mut Edac::default(), 0);
    assert_eq!(status(&found, "memory", "mc0/dimm0"), Some(PartStatus::Failed));
    assert_eq!(status(&found, "memory", "mc0/dimm3"), Some(PartStatus::Ok));
}

#[test]
fn older_kernels_count_by_row_and_channel() {
    let stand = Stand::new(&[
        (&format!("{MC}/mc1/ce_count"), "0"),
        (&format!("{MC}/mc1/ue_count"), "0"),
        (&format!("{MC}/mc1/csrow2/ce_count"), "7"),
        (&format!("{MC}/mc1/csrow2/ch1_ce_count"), "7"),
        (&format!("{MC}/mc1/csrow2/ch1_dimm_label"), "A2"),
    ]);
    let found = stand.look_at(&mut Edac::default(), 0);
    assert_values(
        &found,
        &[(
            "hw.errors{error.type=corrected,hw.id=mc1/csrow2/ch1,hw.type=memory}",
            7.0,
        )],
    );
    assert_eq!(found.parts[1].details["label"], "A2");
    stand.write(&format!("{MC}/mc1/csrow2/ue_count"), "1");
    assert_eq!(
        verdict(&stand.look_at(&mut Edac::default(), 0), "memory", "mc1/csrow2/ch1"),
        Some((
            PartStatus::Failed,
            "its row had errors that could not be corrected".to_owned()
        )),
        "they are not counted by channel"
    );
}

#[test]
fn counts_that_cannot_be_read_are_unread() {
    let stand = Stand::new(&[
        (&format!("{MC}/mc0/mc_name"), "odd"),
        (&format!("{MC}/mc0/ce_count"), "x"),
    ]);
    let found = stand.look_at(&mut Edac::default(), 0);
    assert_eq!(status(&found, "memory", "mc0"), Some(PartStatus::Unread));
    assert!(stand.look_at(&mut Edac::default(), 0).values.is_empty());
}

#[test]
fn the_recorded_controller_failed() {
    let Some(stand) = Stand::recorded() else { return };
    let found = stand.look_at(&mut Edac::default(), 0);
    assert_eq!(status(&found, "memory", "mc0"), Some(PartStatus::Failed));
    assert_eq!(status(&found, "memory", "mc0/csrow2/ch1"), Some(PartStatus::Failed));
    assert_values(
        &found,
        &[
            ("hw.errors{error.type=uncorrected,hw.id=mc0,hw.type=memory}", 5.0),
            ("hw.errors{error.type=corrected,hw.id=mc0,hw.type=memory}", 1.0),
            (
                "hw.errors{error.type=uncorrected,hw.id=mc0/csrow0/ch0,hw.type=memory}",
                2.0,
            ),
        ],
    );
}
