/// What is in the way of a workspace. A closed set: it is a metric label and part of the API.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reason {
    /// A Secret that the pod refers to does not exist.
    MissingSecret,
    /// A ConfigMap that the pod refers to does not exist.
    MissingConfigMap,
    /// A Secret or ConfigMap lacks a key that the pod refers to.
    MissingKey,
    /// No node fits.
    Unschedulable,
    /// A volume cannot be bound, attached or mounted.
    Volume,
    /// The claim for the home is gone, or going, or has lost its volume.
    Home,
    /// The pod's network or sandbox cannot be made.
    Sandbox,
    /// The image cannot be had.
    Image,
    /// The container cannot be made as the pod describes it.
    ContainerConfig,
    /// The container was made and cannot be started.
    ContainerStart,
    /// A program ends with an error, again and again.
    Crash,
    /// A program needs more memory than it may have.
    OutOfMemory,
    /// The node gave the pod up.
    Evicted,
    /// The program ended by itself.
    Ended,
    /// Another pod has its address by now.
    AddressTaken,
    /// The webhook did not put the auth sidecar in.
    NotInjected,
}

impl Reason {
    /// The name, as the API and metric labels spell it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::MissingSecret => "missing_secret",
            Self::MissingConfigMap => "missing_config_map",
            Self::MissingKey => "missing_key",
            Self::Unschedulable => "unschedulable",
            Self::Volume => "volume",
            Self::Home => "home",
            Self::Sandbox => "sandbox",
            Self::Image => "image",
            Self::ContainerConfig => "container_config",
            Self::ContainerStart => "container_start",
            Self::Crash => "crash",
            Self::OutOfMemory => "out_of_memory",
            Self::Evicted => "evicted",
            Self::Ended => "ended",
            Self::AddressTaken => "address_taken",
            Self::NotInjected => "not_injected",
        }
    }

    /// Whether it stays in the way until a person does something. A full node or a slow volume may
    /// pass by itself.
    #[must_use]
    pub fn needs_somebody(self) -> bool {
        !matches!(
            self,
            Self::Unschedulable | Self::Volume | Self::Sandbox | Self::Crash | Self::AddressTaken
        )
    }
}
