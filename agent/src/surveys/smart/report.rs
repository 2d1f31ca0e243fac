//! What `smartctl --json` says of one disk (smartmontools 7.0 and later), or `nvme smart-log` where that is all there is.
//! Everything may be missing.

use serde_json::Value;

/// Bits of the exit status, from smartctl(8).
pub(super) mod exit {
    /// The command line was not understood.
    pub(crate) const USAGE: i64 = 1;
    /// The device could not be opened, or it sleeps.
    pub(crate) const OPEN: i64 = 2;
    /// The disk says that it fails.
    pub(crate) const FAILING: i64 = 8;
    /// A pre-failure attribute is at its threshold now.
    pub(crate) const PREFAIL: i64 = 16;
    /// The log of self-tests holds errors.
    pub(crate) const SELF_TEST: i64 = 128;
    // 4, some command failed, is normal behind controllers; 32 and 64 tell of the past.
}

/// One disk.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Report {
    pub(super) exit: i64,
    /// What smartctl says about its own work.
    pub(super) messages: Vec<String>,
    pub(super) asleep: bool,
    pub(super) model: String,
    pub(super) serial: String,
    pub(super) firmware: String,
    pub(super) protocol: String,
    pub(super) size_bytes: Option<u64>,
    pub(super) passed: Option<bool>,
    /// It says of itself that it has no SMART.
    pub(super) has_none: bool,
    /// Names of attributes that are at their threshold now.
    pub(super) failing_now: Vec<String>,
    pub(super) temperature: Option<f64>,
    pub(super) power_on_hours: Option<u64>,
    /// Sectors that were replaced by spare ones: attribute 5, or grown defects.
    pub(super) reallocated: Option<u64>,
    /// Sectors that wait for being replaced: attribute 197.
    pub(super) pending: Option<u64>,
    /// Sectors that could not be read offline: attribute 198; or errors that SAS disks could not correct.
    pub(super) uncorrectable: Option<u64>,
    /// Errors that were told to the host: attribute 187.
    pub(super) reported: Option<u64>,
    /// Commands that took too long: attribute 188.
    pub(super) timeouts: Option<u64>,
    /// Errors on the cable: attribute 199.
    pub(super) crc_errors: Option<u64>,
    /// NVMe: errors of the media.
    pub(super) media_errors: Option<u64>,
    /// NVMe: the bits of its critical warning.
    pub(super) warning: Option<u64>,
    /// Share of its life that is used up; may exceed 1.
    pub(super) endurance_used: Option<f64>,
    /// Share of the spare that is left.
    pub(super) spare: Option<f64>,
    pub(super) spare_threshold: Option<f64>,
}

impl Report {
    /// Reads what smartctl printed; `status` is its exit status where the text says none.
    pub(super) fn parse(bytes: &[u8], status: i64) -> Option<Self> {
        let json: Value = serde_json::from_slice(bytes).ok()?;
        json.as_object()?;
        let mut report = Self {
            exit: json["smartctl"]["exit_status"].as_i64().unwrap_or(status),
            model: text(&json, &["model_name", "scsi_model_name", "product", "scsi_product"]),
            serial: text(&json, &["serial_number"]),
            firmware: text(&json, &["firmware_version", "revision", "scsi_revision"]),
            protocol: text(&json["device"], &["protocol"]),
            size_bytes: json["user_capacity"]["bytes"]
                .as_u64()
                .or_else(|| json["nvme_total_capacity"].as_u64()),
            passed: json["smart_status"]["passed"].as_bool(),
            has_none: json["smart_support"]["available"].as_bool() == Some(false),
            power_on_hours: json["power_on_time"]["hours"].as_u64(),
            ..Self::default()
        };
        report.read_messages(&json);
        // 0 is what controllers say of volumes that have no sensor.
        let degrees = json["temperature"]["current"].as_f64();
        report.temperature = degrees.filter(|degrees| *degrees > 0.0 && *degrees < 150.0);
        report.read_attributes(&json["ata_smart_attributes"]["table"]);
        report.read_scsi(&json);
        report.read_nvme(&json["nvme_smart_health_information_log"]);
        if let Some(percent) = json["endurance_used"]["current_percent"].as_f64() {
            report.endurance_used = Some(percent / 100.0);
        }
        if let Some(percent) = json["spare_available"]["current_percent"].as_f64() {
            report.spare = Some(percent / 100.0);
            report.spare_threshold = json["spare_available"]["threshold_percent"].as_f64().map(|t| t / 100.0);
        }
        Some(report)
    }

    fn read_messages(&mut self, json: &Value) {
        let messages = json["smartctl"]["messages"].as_array().map_or(&[][..], Vec::as_slice);
        let severe = messages.iter().any(|message| message["severity"] == "error");
        let texts = messages.iter().filter_map(|message| message["string"].as_str());
        self.messages = texts.map(str::to_owned).collect();
        let told = self.messages.iter().any(|text| text.contains(" mode, exit("));
        // Versions before 7.3 leave the message out of the JSON: nothing went wrong, and yet there is no answer.
        let silent = !severe && json["device"]["name"].is_string() && json["smart_status"].is_null();
        self.asleep = self.exit & (exit::OPEN | exit::USAGE) == exit::OPEN && (told || silent);
    }

    fn read_attributes(&mut self, table: &Value) {
        for attribute in table.as_array().map_or(&[][..], Vec::as_slice) {
            let name = attribute["name"].as_str().unwrap_or_default();
            let raw = attribute["raw"]["value"].as_u64();
            match attribute["id"].as_u64() {
                Some(5) => self.reallocated = raw,
                Some(187) => self.reported = raw,
                // Seagate packs three counts of 16 bits; no disk lives through 65 536 timeouts.
                Some(188) => self.timeouts = raw.map(|raw| raw & 0xFFFF),
                Some(197) => self.pending = raw,
                Some(198) => self.uncorrectable = raw,
                Some(199) => self.crc_errors = raw,
                _ => {}
            }
            if attribute["when_failed"] == "now" {
                self.failing_now.push(name.chars().take(40).collect());
            }
        }
    }

    fn read_scsi(&mut self, json: &Value) {
        if let Some(defects) = json["scsi_grown_defect_list"].as_u64() {
            self.reallocated = Some(defects);
        }
        if let Some(log) = json["scsi_error_counter_log"].as_object() {
            let counts = log.values().filter_map(|row| row["total_uncorrected_errors"].as_u64());
            self.uncorrectable = counts.reduce(u64::saturating_add);
        }
        if let Some(percent) = json["scsi_percentage_used_endurance_indicator"].as_f64() {
            self.endurance_used = Some(percent / 100.0);
        }
    }

    fn read_nvme(&mut self, log: &Value) {
        if !log.is_object() {
            return;
        }
        let share = |key: &str| log[key].as_f64().map(|percent| percent / 100.0);
        self.warning = log["critical_warning"].as_u64();
        self.media_errors = log["media_errors"].as_u64();
        self.endurance_used = share("percentage_used");
        self.spare = share("available_spare");
        self.spare_threshold = share("available_spare_threshold");
    }

    /// Reads what `nvme smart-log` printed (nvme-cli 1 and 2). Who the disk is it does not say.
    pub(super) fn parse_nvme_log(bytes: &[u8]) -> Option<Self> {
        /// Degrees are in Kelvin, without the fraction.
        const KELVIN: f64 = 273.0;
        let log: Value = serde_json::from_slice(bytes).ok()?;
        // Counts of 128 bits are texts in some versions; the warning is taken apart in others.
        let count = |value: &Value| value.as_u64().or_else(|| value.as_str()?.parse().ok());
        let warning = count(&log["critical_warning"]).or_else(|| count(&log["critical_warning"]["value"]))?;
        let share = |key: &str| log[key].as_f64().map(|percent| percent / 100.0);
        Some(Self {
            protocol: "NVMe".to_owned(),
            warning: Some(warning),
            temperature: log["temperature"].as_f64().map(|kelvin| kelvin - KELVIN),
            power_on_hours: count(&log["power_on_hours"]),
            media_errors: count(&log["media_errors"]),
            endurance_used: share("percent_used"),
            spare: share("avail_spare"),
            spare_threshold: share("spare_thresh"),
            ..Self::default()
        })
    }

    /// Whether it is a stick or a card reader, which USB bridges of no known kind are.
    pub(super) fn is_behind_unknown_bridge(&self) -> bool {
        self.exit & exit::USAGE != 0 && self.messages.iter().any(|text| text.contains("USB bridge"))
    }

    /// Whether it could not be asked.
    pub(super) const fn is_unread(&self) -> bool {
        self.exit & (exit::USAGE | exit::OPEN) != 0
    }

    /// Whether it says anything about its health.
    pub(super) const fn tells_health(&self) -> bool {
        self.passed.is_some()
            || self.reallocated.is_some()
            || self.pending.is_some()
            || self.uncorrectable.is_some()
            || self.warning.is_some()
    }
}

/// The first of these that is a text.
fn text(json: &Value, keys: &[&str]) -> String {
    let found = keys.iter().find_map(|key| json[*key].as_str());
    found.unwrap_or_default().trim().to_owned()
}
