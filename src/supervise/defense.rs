//! The catalogue of defenses: what each one is worth now, and the incident that it stands for.
