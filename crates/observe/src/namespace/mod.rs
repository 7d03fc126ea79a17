//! Private user, network, process and mount namespaces.
