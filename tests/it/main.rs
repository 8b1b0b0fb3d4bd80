//! One test binary: what is tested through the public face or against other programs.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::indexing_slicing,
    reason = "a test may fail loudly"
)]

mod archives;
mod bills;
mod block_oracle;
mod btrfs_hostile;
mod btrfs_log;
mod btrfs_oracle;
mod causes;
mod ci_files;
mod containers;
mod disk_target;
mod dpkg;
mod erofs;
mod ext4_fast_commits;
mod ext4_hostile;
mod ext4_journal;
mod ext4_oracle;
mod facts;
mod fat;
mod golden_manifest;
mod hostile;
mod house;
mod iso9660;
mod languages;
mod main_job;
mod mutations;
mod oracle;
mod package_drift;
mod pins_adoption;
mod pins_cloud_init;
mod pins_fix;
mod pins_hcl;
mod pins_hostile;
mod pins_matrix;
mod pins_mutation;
mod pins_outputs;
mod pins_real;
mod pins_tree;
mod rpm_histories;
mod rpmdb;
mod same_tree;
mod sequences;
mod small_databases;
mod squashfs;
mod store;
mod support;
mod texts;
mod upgrades;
mod verify;
mod verify_rpm;
mod versions;
mod vm_drift;
mod vm_images;
mod xattr;
mod xfs_hostile;
mod xfs_log;
mod xfs_oracle;
